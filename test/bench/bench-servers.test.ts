import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { runBench } from "../../src/bench/bench.ts";
import { callsCase } from "../../src/bench/cases.ts";
import { ServerProcess } from "../../src/bench/server-process.ts";
import { repeated } from "../../src/bench/workload.ts";
import { Program } from "../support/geerpc.ts";
import { command, loadCommand, shortRun } from "./short-run.ts";

// Servers of somebody else: those that the run did not start.

let shared: Promise<ServerProcess> | undefined;

function sharedServer(): Promise<ServerProcess> {
  shared ??= ServerProcess.start(command);
  return shared;
}

afterAll(async () => (await shared)?.close());

test("somebody's method, from several processes; one that cannot begin ends the run", async () => {
  const { listening } = await sharedServer();
  const target = { address: listening };
  const run = (method: string) =>
    runBench({
      ...shortRun,
      benchCase: callsCase(repeated(method, { a: 1 })),
      inFlight: [4],
      target,
      processes: {
        count: 2,
        command: loadCommand,
        case: { method, args: { value: { a: 1 } } },
      },
    });
  const { cases } = await run("Foo.Echo");
  expect(cases).toMatchObject([
    { method: "Foo.Echo", processes: 2, errors: 0 },
  ]);
  const thrown = await run("Foo.Echoes").catch((e) => e);
  expect(thrown).toMatchObject({ code: "unimplemented" });
});

test("a registry's servers, called in turns", async () => {
  await using fleet = await ServerProcess.start([...command, "--fleet"]);
  const registry = fleet.addresses.registry as string;
  const { cases } = await runBench({
    ...shortRun,
    connections: 2,
    inFlight: [8],
    target: { targets: [registry] },
  });
  expect(cases).toMatchObject([{ connections: 2, errors: 0, ratio: null }]);
  expect(cases[0]?.calls).toBeGreaterThan(0);
});

test("of several servers one that drains and goes costs no call", async () => {
  const main = join(import.meta.dir, "../../src/main.ts");
  const serve = () =>
    new Program([process.execPath, main, "server"], { cwd: import.meta.dir });
  await using staying = serve();
  await using going = serve();
  const targets = await Promise.all([staying.listening(), going.listening()]);
  const gone: Promise<number>[] = [];
  const { cases } = await runBench({
    ...shortRun,
    inFlight: [8],
    durationMs: 300,
    turns: 3,
    target: { targets },
    onProgress({ fraction }) {
      if (fraction === 0 || gone.length > 0) return;
      going.signal("SIGTERM");
      gone.push(going.exited);
    },
  });
  expect(cases).toMatchObject([{ errors: 0 }]);
  expect(await gone[0]).toBe(0);
});

test.each([
  ["tcp", "application/x-geerpc"],
  ["gorpc", "gorpc"],
  ["jsonrpc", "jsonrpc"],
])(
  "without a codec it is the address's: %s@ is %s",
  async (protocol, codec) => {
    const { codec: _, ...run } = shortRun;
    const { listening } = await sharedServer();
    const address = listening.replace("tcp@", `${protocol}@`);
    const { cases } = await runBench({ ...run, target: { address } });
    expect(cases).toMatchObject([
      { codec, errors: 0 },
      { codec, errors: 0 },
    ]);
  },
);

test("somebody else's server has neither limit nor CPU time; wrong replies are counted", async () => {
  const { listening } = await sharedServer();
  const { cases } = await runBench({
    ...shortRun,
    benchCase: callsCase(repeated("Foo.Wrong", { a: 1 })),
    target: { address: listening },
  });
  for (const one of cases) {
    expect(one.limitPerSecond).toBe(null);
    expect(one.ratio).toBe(null);
    expect(one.cpuUsPerCall).toBe(null);
    expect(one.coresUsed).toBe(null);
    // Each tenth, give or take those of the warm-up.
    expect(Math.abs(one.errors - one.calls / 10)).toBeLessThanOrEqual(1);
  }
  expect(cases.at(-1)?.errors).toBeGreaterThan(0);
  expect(cases.at(-1)?.firstFailure).toContain("wrong");
});

test("a method that is not there ends the run with its error", async () => {
  const { listening } = await sharedServer();
  const benchCase = callsCase(repeated("Foo.None", undefined));
  const target = { address: listening };
  await expect(
    runBench({ ...shortRun, benchCase, target }),
  ).rejects.toMatchObject({
    code: "unimplemented",
  });
});

test("no server: unavailable, and nothing was sent", async () => {
  const target = { address: "unix@/nowhere/geerpc.sock" };
  await expect(runBench({ ...shortRun, target })).rejects.toMatchObject({
    code: "unavailable",
    sent: false,
  });
  const dead = { command: [process.execPath, "-e", "process.exit(3)"] };
  await expect(runBench({ ...shortRun, target: dead })).rejects.toMatchObject({
    code: "unavailable",
  });
});
