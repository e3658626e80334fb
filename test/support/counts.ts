export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  /** `file › test` of each. */
  skippedNames: string[];
}

/**
 * Counts the tests of a run of `bun test` by its JUnit report. A file that
 * cannot be loaded is in no report: it shows in the log's closing ` N fail`
 * and in the exit code, and counts as failed, too.
 */
export function readCounts(xml: string, log: string, exitCode: number): Counts {
  const [suites = ""] = /<testsuites [^>]*>/.exec(xml) ?? [];
  const tests = attribute(suites, "tests");
  const failures = attribute(suites, "failures");
  const skipped = attribute(suites, "skipped");
  const isFine = exitCode === 0 && tests > 0;
  const told = [...log.matchAll(/^ *(\d+) fail$/gm)].at(-1)?.[1];
  return {
    passed: tests - failures - skipped,
    failed: Math.max(failures, Number(told ?? 0), isFine ? 0 : 1),
    skipped,
    skippedNames: [...xml.matchAll(/<testcase ([^>]*[^/])>\s*<skipped\b/g)].map(
      ([, attributes = ""]) => {
        const [file, name] = ["file", "name"].map((key) =>
          text(attributes, key),
        );
        return `${file} › ${name}`;
      },
    ),
  };
}

function attribute(tag: string, name: string): number {
  return Number(text(tag, name) || 0);
}

function text(tag: string, name: string): string {
  const [, value = ""] = new RegExp(`\\b${name}="([^"]*)"`).exec(tag) ?? [];
  return value
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&apos;", "'")
    .replaceAll("&amp;", "&");
}
