import { expect, test } from "bun:test";
import { run } from "../../src/cli/root.ts";
import { Server } from "../../src/index.ts";
import { FakeIo } from "../support/fake-io.ts";

class Foo {
  Avg(all: number[]) {
    return all.reduce((sum, one) => sum + one / all.length, 0);
  }
}

async function client(server: string, ...args: string[]): Promise<FakeIo> {
  const io = new FakeIo();
  const command = ["client", "Foo.Avg", "[1,2.5]", "--server", server];
  expect(await run([...command, ...args], io)).toBe(0);
  expect(io.stdout.lines.map((line) => JSON.parse(line))).toEqual([1.75]);
  return io;
}

test("a number sent whole and as a fraction is a warning on stderr, until it is declared", async () => {
  await using server = new Server();
  server.register(new Foo());
  const listening = await server.listen();
  const warned = await client(listening, "--codec", "gob");
  expect(warned.stderr.lines).toHaveLength(1);
  expect(warned.stderr.text).toMatch(
    /^\S+ warn {2}Foo\.Avg: \[\] was .*--gob '\[\]float64'/,
  );
  const declared = ["--codec", "gob", "--gob", "[]float64"];
  expect((await client(listening, ...declared)).stderr.text).toBe("");
  expect((await client(listening)).stderr.text).toBe("");
});

test("what becomes of a call is told once: by its error alone", async () => {
  const io = new FakeIo();
  const nobody = ["--server", "tcp@127.0.0.1:1"];
  expect(await run(["client", "Foo.Avg", "[1]", ...nobody], io)).toBe(3);
  expect(io.stderr.lines).toHaveLength(1);
  expect(JSON.parse(io.stderr.text)).toMatchObject({ code: "unavailable" });
});
