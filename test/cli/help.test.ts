import { expect, test } from "bun:test";
import { command as bench } from "../../src/cli/bench.ts";
import { type CliCommand, runCli } from "../../src/cli/command.ts";
import { command as client } from "../../src/cli/client.ts";
import { command as demo } from "../../src/cli/demo.ts";
import { command as registry } from "../../src/cli/registry.ts";
import { run } from "../../src/cli/root.ts";
import { command as server } from "../../src/cli/server.ts";
import { FakeIo } from "../support/fake-io.ts";

const commands: Record<string, CliCommand> = {
  registry,
  server,
  client,
  bench,
  demo,
};

test.each(Object.keys(commands))("geerpc %s --help", async (name) => {
  const io = new FakeIo();
  const code = await runCli(commands[name] as CliCommand, ["--help"], io);
  expect(code).toBe(0);
  expect(io.stderr.text).toBe("");
  expect(io.stdout.text).toMatchSnapshot();
  for (const line of io.stdout.lines) {
    expect(line).toMatch(/^[^\u0000-\u001f]*$/);
    expect(line).not.toMatch(/ $/);
    expect(line.length).toBeLessThanOrEqual(120);
  }
});

test("geerpc --help", async () => {
  const io = new FakeIo();
  expect(await run(["--help"], io)).toBe(0);
  expect(io.stdout.text).toMatchSnapshot();
});

test("-h asks for help, wherever it stands before --", async () => {
  const io = new FakeIo();
  expect(await run(["client", "Foo.Sum", "--nonsense", "-h"], io)).toBe(0);
  expect(io.stdout.text).not.toBe("");
  const other = new FakeIo();
  expect(await run(["client", "--", "-h"], other)).toBe(2);
  expect(other.stdout.text).toBe("");
});

test("no command at all is wrong usage, with the help on stderr", async () => {
  const io = new FakeIo();
  expect(await run([], io)).toBe(2);
  expect(io.stdout.text).toBe("");
  expect(io.stderr.text).toContain("geerpc <command> --help");
});

test.each([
  ["sever", "server"],
  ["constructor", "registry, server, client"],
  ["\u001b[2J", "registry, server, client"],
])(
  "an unknown command %j: one line with what to write",
  async (name, meant) => {
    const io = new FakeIo();
    expect(await run([name], io)).toBe(2);
    expect(io.stderr.lines).toHaveLength(1);
    expect(io.stderr.text).toContain(meant);
    expect(io.stderr.text).not.toContain("\u001b");
  },
);
