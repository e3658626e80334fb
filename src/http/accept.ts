/**
 * Whether an Accept header prefers JSON to HTML. Where both weigh the same,
 * the one that is named more closely counts; the page is the default: for no
 * header, and for wildcards alone.
 * Source: RFC 9110, section 12.5.1.
 */
export function prefersJson(accept: string | null): boolean {
  const ranges = (accept ?? "*/*").split(",").map(parseRange);
  const json = preferenceFor(["application/json", "application/*"], ranges);
  const page = preferenceFor(["text/html", "text/*"], ranges);
  return (
    json.weight > page.weight ||
    (json.weight > 0 &&
      json.weight === page.weight &&
      json.closeness > page.closeness)
  );
}

/** Whether an Accept header asks for JSON by its name: a wildcard does not, HTML beside it does not matter. */
export function acceptsJson(accept: string | null): boolean {
  return names("application/json", accept);
}

/** Whether an Accept header asks for HTML by its name, as browsers do. */
export function acceptsHtml(accept: string | null): boolean {
  return names("text/html", accept);
}

function names(wanted: string, accept: string | null): boolean {
  return (accept ?? "")
    .split(",")
    .map(parseRange)
    .some(({ type, weight }) => type === wanted && weight > 0);
}

interface Range {
  type: string;
  weight: number;
}

interface Preference {
  weight: number;
  /** 2 for the type itself, 1 for its family, 0 for a wildcard. */
  closeness: number;
}

function parseRange(text: string): Range {
  const [type = "", ...parameters] = text.toLowerCase().split(";");
  const q = parameters
    .map((parameter) => /^\s*q\s*=\s*([\d.]+)\s*$/.exec(parameter)?.[1])
    .find((value) => value !== undefined);
  return { type: type.trim(), weight: q === undefined ? 1 : Number(q) || 0 };
}

/** The closest range that covers a type decides. */
function preferenceFor(
  [type, family]: [string, string],
  ranges: readonly Range[],
): Preference {
  for (const [at, name] of [type, family, "*/*"].entries()) {
    const range = ranges.find((one) => one.type === name);
    if (range !== undefined) return { weight: range.weight, closeness: 2 - at };
  }
  return { weight: 0, closeness: 0 };
}
