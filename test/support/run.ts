import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCounts } from "./counts.ts";

// What `bun run test` runs: all tests, or those that its arguments name. Its
// output ends with one line, `N passed, N failed, N skipped`, counted from
// the JUnit report. On CI a skipped test is a failure.

const folder = await mkdtemp(join(tmpdir(), "geerpc-test-"));
const report = join(folder, "junit.xml");
const child = Bun.spawn(
  [
    process.execPath,
    "test",
    "--reporter=junit",
    `--reporter-outfile=${report}`,
    ...process.argv.slice(2),
  ],
  {
    cwd: `${import.meta.dir}/../..`,
    stdin: "ignore",
    stdout: "inherit",
    stderr: "pipe",
  },
);

const decoder = new TextDecoder();
let log = "";
for await (const chunk of child.stderr) {
  process.stderr.write(chunk);
  log += decoder.decode(chunk, { stream: true });
}
const exitCode = await child.exited;
const file = Bun.file(report);
const xml = (await file.exists()) ? await file.text() : "";
await rm(folder, { recursive: true });

const { passed, failed, skipped, skippedNames } = readCounts(
  xml,
  log,
  exitCode,
);
for (const name of skippedNames) console.log(`skipped: ${name}`);
// A test file that cannot run its tests says why in a line of this form.
for (const [reason] of log.matchAll(/^skipped: .*$/gm)) console.log(reason);
const isFailure = failed > 0 || (skipped > 0 && Boolean(process.env["CI"]));
if (isFailure && failed === 0) console.log("skipped tests are failures on CI");
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = isFailure ? 1 : 0;
