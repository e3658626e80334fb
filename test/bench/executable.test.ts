import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { findExecutable } from "../../src/bench/executable.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "geerpc-against-"));
});

afterAll(() => rm(folder, { recursive: true }));

/** An executable file of this text. */
async function script(text: string, mode = 0o755): Promise<string> {
  const path = join(folder, Bun.randomUUIDv7());
  await Bun.write(path, text);
  await chmod(path, mode);
  return path;
}

test("a geerpc is known by its version, and by its whole path", async () => {
  const path = await script("#!/bin/sh\necho 'geerpc 0.1.0 (abc1234+)'\n");
  expect(await findExecutable(relative(process.cwd(), path))).toEqual({
    path,
    version: "geerpc 0.1.0 (abc1234+)",
  });
});

test.each([
  ["another program", "#!/bin/sh\necho 'sleep (GNU coreutils) 9.1'\n", 0o755],
  ["one that says nothing", "#!/bin/sh\nexit 0\n", 0o755],
  ["one without a line's end", "#!/bin/sh\nexec cat /dev/zero\n", 0o755],
  ["text", "hello", 0o755],
  ["no right to run it", "#!/bin/sh\necho 'geerpc 0.1.0 (a)'\n", 0o644],
])("%s is invalid_argument", async (_name, text, mode) => {
  const thrown = await findExecutable(await script(text, mode)).catch((e) => e);
  expect(thrown).toMatchObject({ code: "invalid_argument" });
});

test("no file, and a folder, are invalid_argument", async () => {
  for (const path of [join(folder, "nothing"), folder]) {
    const thrown = await findExecutable(path).catch((e) => e);
    expect(thrown).toMatchObject({ code: "invalid_argument" });
  }
});

test("one that does not answer is ended, and invalid_argument", async () => {
  const path = await script("#!/bin/sh\nexec sleep 60\n");
  const thrown = await findExecutable(path, 20).catch((e) => e);
  expect(thrown).toMatchObject({ code: "invalid_argument" });
});
