import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/cli/root.ts";
import { FakeIo } from "../support/fake-io.ts";

let folder: string;
/** This very geerpc as one file. */
let self: string;
/** A version that knows no cases, and writes down with what it is started. */
let old: string;
let record: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "geerpc-bench-"));
  const main = join(import.meta.dir, "../../src/main.ts");
  self = await script("self", `exec '${process.execPath}' '${main}' "$@"`);
  const isCase = `case "$*" in *--case*) echo 'unknown flag --case' >&2; exit 2;; esac`;
  record = join(folder, "record");
  const note = `echo "$*" >> '${record}'`;
  old = await script("old", `${note}\n${isCase}\nexec '${self}' "$@"`);
});

afterAll(() => rm(folder, { recursive: true }));

async function script(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await Bun.write(path, `#!/bin/sh\n${text}\n`);
  await chmod(path, 0o755);
  return path;
}

/** Runs `geerpc bench …words` with what leaves no time for more than a slice. */
async function bench(
  words: string[],
  env: Record<string, string> = {},
  isTerminal = false,
) {
  const io = new FakeIo({ PATH: process.env["PATH"], ...env });
  io.stdout.isTerminal = isTerminal;
  const isPaced = words.some((word) => /^--(rate|inflight)$/.test(word));
  const short = ["--duration", "20ms", ...(isPaced ? [] : ["--inflight", "8"])];
  const code = await run(["bench", ...short, ...words], io);
  return { code, io };
}

test("--against: both in turns, and the ratio beside the other figures", async () => {
  const { code, io } = await bench(["--against", old, "--json"]);
  expect(io.stderr.text).toBe("");
  expect(code).toBe(0);
  const { cases, against } = JSON.parse(io.stdout.text);
  expect(cases[0].ratioAgainst).toBe(cases[0].ratiosAgainst[0]);
  expect(cases).toMatchObject([
    {
      case: "sum",
      inFlight: 8,
      errors: 0,
      ratio: expect.any(Number),
      ratioAgainst: expect.any(Number),
      ratiosAgainst: [expect.any(Number)],
      cpuAgainst: expect.any(Number),
    },
  ]);
  expect(against).toEqual({
    path: old,
    version: expect.stringMatching(/^geerpc /),
  });
});

test("--against: both call the same method in the same way", async () => {
  await Bun.write(record, "");
  const way = ["--codec", "json", "--connections", "2", "--processes", "2"];
  const what = ["--method", "Foo.Echo", "--args", '{"a":[1]}'];
  const { code, io } = await bench(["--against", old, ...way, ...what]);
  expect(code).toBe(0);
  expect(io.stdout.text).toContain(old);
  const started = (await Bun.file(record).text()).trim().split("\n");
  expect(started).toEqual([
    "--version",
    `bench --json --inflight=8 --duration=20ms --connections=2 --processes=2 --codec=application/json --method=Foo.Echo --args={"a":[1]}`,
  ]);
});

test.each([
  ["a file that is not there", () => ["--against", "/nowhere/geerpc"]],
  ["a folder", () => ["--against", folder]],
  ["another program", () => ["--against", process.execPath]],
  ["beside --server", () => ["--against", self, "--server", "127.0.0.1:1"]],
  ["a case that is none", () => ["--case", "sums"]],
  ["a case and a method", () => ["--case", "sum", "--method", "Foo.Echo"]],
  [
    "a case that streams, of another's server",
    () => ["--case", "stream-small", "--server", "127.0.0.1:1"],
  ],
  [
    "a case that streams beside calls, of another's server",
    () => ["--case", "beside-stream", "--server", "127.0.0.1:1"],
  ],
  [
    "a case that streams, over a codec without streams",
    () => ["--case", "stream-64k", "--codec", "json"],
  ],
  ["a case and an argument", () => ["--case", "sum", "--args", "1"]],
  [
    "a case with a reference, of another's server",
    () => ["--case", "xclient", "--server", "127.0.0.1:1"],
  ],
  [
    "a case with a reference, of a registry's servers",
    () => ["--case", "json", "--registry", "http://127.0.0.1:1"],
  ],
  [
    "a server and a registry",
    () => ["--server", "127.0.0.1:1", "--registry", "http://127.0.0.1:1"],
  ],
  [
    "another executable beside a registry",
    () => ["--against", self, "--registry", "http://127.0.0.1:1"],
  ],
  ["a codec's case over another", () => ["--case", "gob", "--codec", "json"]],
  ["the floor of another case", () => ["--floor", "--case", "echo-1k"]],
  ["the floor of a method", () => ["--floor", "--method", "Foo.Echo"]],
  [
    "the floor of another's server",
    () => ["--floor", "--server", "127.0.0.1:1"],
  ],
  ["a rate of streams", () => ["--rate", "9", "--case", "stream-small"]],
  ["a rate beside a stream", () => ["--rate", "9", "--case", "beside-stream"]],
  ["a rate, against another", () => ["--rate", "9", "--against", self]],
  ["a rate and calls in flight", () => ["--rate", "9", "--inflight", "9"]],
])("wrong usage: %s", async (_name, words) => {
  const { code, io } = await bench(words());
  expect(code).toBe(2);
  expect(io.stdout.text).toBe("");
  expect(io.stderr.lines).toHaveLength(1);
  expect(io.stderr.text).toContain(words()[0] as string);
});

test("a flag beats the environment, also where both exclude each other", async () => {
  const env = {
    GEERPC_AGAINST: "/nowhere/geerpc",
    GEERPC_CASE: "stream-small",
  };
  const words = ["--server", "127.0.0.1:1", "--method", "Foo.Sum"];
  expect((await bench(words, env)).code).toBe(3);
  expect((await bench([], env)).code).toBe(2);
});

test("a chart of the latencies is for a terminal alone, and not among JSON", async () => {
  const chart = /^latencies, 8 in flight\n(?:< +[\d,]+ µs .*\n)+$/m;
  const { io: terminal } = await bench([], {}, true);
  expect(terminal.stdout.text).toMatch(chart);
  const { io: pipe } = await bench([]);
  expect(pipe.stdout.text).not.toMatch(/latencies,/);
  const { io: json } = await bench(["--json"], {}, true);
  expect(JSON.parse(json.stdout.text)).toHaveProperty("cases");
});

test("each flag reaches the run", async () => {
  const figures = async (...words: string[]) => {
    const { code, io } = await bench([...words, "--json"]);
    expect(code).toBe(0);
    return JSON.parse(io.stdout.text).cases;
  };
  const [floor] = await figures("--floor", "--slices", "2", "--codec", "json");
  expect(floor).toMatchObject({
    turns: 2,
    codec: "application/json",
    ratioToFloor: expect.any(Number),
  });
  const rated = await figures("--rate", "500", "--processes", "2");
  expect(rated).toMatchObject([{ rate: 500, processes: 2, calls: 10 }]);
  const fleet = await figures("--case", "xclient", "--processes", "2");
  expect(fleet).toMatchObject([
    { reference: "plain", processes: 2, ratioToReference: expect.any(Number) },
  ]);
  const method = ["--method", "Foo.Echo", "--args", '{"a":1}'];
  const echoes = await figures(...method, "--processes", "2");
  expect(echoes).toMatchObject([{ method: "Foo.Echo", processes: 2 }]);
});

test("a file's servers", async () => {
  const io = new FakeIo();
  const serving = run(["server"], io);
  const list = join(folder, "servers");
  await Bun.write(list, `${await io.listening()}\n`);
  const words = ["--server", `file:${list}`, "--json"];
  const { code, io: measuring } = await bench(words);
  expect(code).toBe(0);
  const { cases } = JSON.parse(measuring.stdout.text);
  expect(cases).toMatchObject([{ errors: 0, limitPerSecond: null }]);
  io.signal("SIGTERM");
  expect(await serving).toBe(0);
});

test("servers and a registry that are not there: exit code 3", async () => {
  const servers = ["--server", "127.0.0.1:1,127.0.0.1:2"];
  expect((await bench(servers)).code).toBe(3);
  const registry = ["--registry", "http://127.0.0.1:1"];
  expect((await bench(registry)).code).toBe(3);
});
