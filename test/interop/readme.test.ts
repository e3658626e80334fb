import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Program } from "../support/geerpc.ts";
import {
  buildTimeoutMs,
  goProgram,
  isSkipped,
  LineProgram,
} from "./go-peer.ts";

// The two Go files of the README, against the command line.

const root = join(import.meta.dir, "../..");
const main = join(root, "src/main.ts");
const names = ["readme-client", "readme-server"] as const;

function folderOf(name: (typeof names)[number]): string {
  return join(import.meta.dir, "go", name);
}

test.each(names)("%s has thirty lines and imports no geerpc", (name) => {
  const text = readFileSync(join(folderOf(name), "main.go"), "utf8");
  expect(text.split("\n").length - 1).toBeLessThanOrEqual(30);
  expect(text).toContain('"net/rpc"');
  expect(text).not.toMatch(/"[^"]*\.[^"]*\/|geerpc/);
});

describe.skipIf(isSkipped)("the README's programs in Go", () => {
  beforeAll(async () => {
    await Promise.all(names.map(goProgram));
  }, buildTimeoutMs);

  test("a client of `geerpc server arith.ts`", async () => {
    await using server = new Program(
      [process.execPath, main, "server", "arith.ts"],
      { cwd: folderOf("readme-client") },
    );
    const address = (await server.listening()).replace("tcp@", "");
    await using client = new LineProgram([
      await goProgram("readme-client"),
      address,
    ]);
    expect(await client.rest()).toEqual(["15 3 2 divide by zero"]);
  }, 30_000);

  test("a server that `geerpc client` calls", async () => {
    await using server = new LineProgram([
      await goProgram("readme-server"),
      "127.0.0.1:0",
    ]);
    const address = (await server.line()).replace("listening on ", "gorpc@");
    const call = (...args: string[]) =>
      Program.run(
        [process.execPath, main, "client", "--server", address, ...args],
        { cwd: root },
      );
    expect(await call("Arith.Sum", '{"A":1,"B":2}')).toMatchObject({
      code: 0,
      stdout: "3\n",
    });
    const unknown = await call("Arith.Nope", '{"A":1,"B":2}');
    expect(unknown.code).toBe(1);
    expect(JSON.parse(unknown.stderr)).toMatchObject({ code: "unimplemented" });
  }, 30_000);
});
