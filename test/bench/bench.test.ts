import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { type BenchOptions, runBench } from "../../src/bench/bench.ts";
import { ServerProcess } from "../../src/bench/server-process.ts";
import { benchCase, callsCase } from "../../src/bench/cases.ts";
import { repeated } from "../../src/bench/workload.ts";

const command = [process.execPath, join(import.meta.dir, "serve.ts")];

const shortRun: BenchOptions = {
  benchCase: benchCase("sum"),
  codec: "application/x-geerpc",
  connections: 1,
  inFlight: [1, 16],
  durationMs: 40,
  target: { command },
};

let shared: Promise<ServerProcess> | undefined;

/** A server of somebody else: one that this run did not start. */
function sharedServer(): Promise<ServerProcess> {
  shared ??= ServerProcess.start(command);
  return shared;
}

afterAll(async () => (await shared)?.close());

test("measures each case against the limit, with every reply checked", async () => {
  const fractions: number[] = [];
  const { cases, machine } = await runBench({
    ...shortRun,
    onProgress: ({ fraction }) => fractions.push(fraction),
  });
  expect(cases.map(({ inFlight }) => inFlight)).toEqual([1, 16]);
  for (const one of cases) {
    expect(one).toMatchObject({
      case: "sum",
      unit: "calls",
      method: "Foo.Sum",
      codec: "application/x-geerpc",
      connections: 1,
      errors: 0,
      requestBytes: 51,
      responseBytes: 20,
    });
    expect(one.calls).toBeGreaterThan(0);
    expect(one.callsPerSecond).toBeGreaterThan(0);
    expect(one.limitPerSecond).toBeGreaterThan(0);
    expect(one.ratio).toBeGreaterThan(0);
    expect(one.cpuUsPerCall).toBeGreaterThanOrEqual(one.clientCpuUsPerCall);
    expect(one.coresUsed).toBeGreaterThan(0);
    expect(one.p50Us).toBeGreaterThan(0);
    expect(one.p99Us).toBeGreaterThanOrEqual(one.p50Us as number);
    expect(one.p999Us).toBeGreaterThanOrEqual(one.p99Us as number);
  }
  expect(machine.cores).toBeGreaterThan(0);
  expect(machine.loadAverage.length).toBe(3);
  expect(fractions).toEqual([0, 0.5, 1]);
});

test.each([
  ["stream-small", "items", { requestBytes: 26, responseBytes: 20 }],
  ["stream-64k", "items", { requestBytes: 26, responseBytes: 65_552 }],
] as const)(
  "%s: %s, each checked, against the limit",
  async (name, unit, sizes) => {
    const { cases } = await runBench({
      ...shortRun,
      benchCase: benchCase(name),
      connections: 2,
      inFlight: [2],
    });
    expect(cases).toMatchObject([
      { case: name, unit, errors: 0, p50Us: null, p99Us: null, p999Us: null },
    ]);
    const [row] = cases;
    expect(row).toMatchObject(sizes);
    expect(row?.calls).toBeGreaterThan(0);
    expect(row?.limitPerSecond).toBeGreaterThan(0);
    expect(row?.ratio).toBeGreaterThan(0);
    const megabytes = (perSecond = NaN) => (perSecond * 65_536) / 1e6;
    if (name === "stream-64k") {
      expect(row?.megabytesPerSecond).toBe(megabytes(row?.callsPerSecond));
      const limit = megabytes(row?.limitPerSecond ?? NaN);
      expect(row?.limitMegabytesPerSecond).toBe(limit);
    } else expect(row?.megabytesPerSecond).toBe(undefined);
  },
);

test("beside-stream: calls with a stream on the same connection, and without", async () => {
  const { cases } = await runBench({
    ...shortRun,
    benchCase: benchCase("beside-stream"),
    inFlight: [4],
  });
  const [row] = cases;
  expect(row).toMatchObject({
    case: "beside-stream",
    unit: "calls",
    method: "Foo.Sum",
    errors: 0,
    limitPerSecond: null,
    ratio: null,
    requestBytes: 51,
  });
  expect(row?.megabytesPerSecond).toBeGreaterThan(0);
  expect(row?.coresUsed).toBeGreaterThan(0);
  expect(row?.p99AgainstQuiet).toBe(
    (row?.p99Us ?? NaN) / (row?.p99QuietUs ?? NaN),
  );
});

test("a codec without streams has no stream to measure", async () => {
  const thrown = await runBench({
    ...shortRun,
    codec: "application/json",
    benchCase: benchCase("stream-small"),
  }).catch((e) => e);
  expect(thrown).toMatchObject({ code: "unimplemented" });
});

test("several connections, another codec", async () => {
  const { cases } = await runBench({
    ...shortRun,
    codec: "application/json",
    connections: 3,
    inFlight: [2],
  });
  expect(cases).toMatchObject([
    { codec: "application/json", connections: 3, inFlight: 2, errors: 0 },
  ]);
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

test("interrupted: it rejects, and the server process is gone", async () => {
  const controller = new AbortController();
  const { promise: pid, resolve: started } = Promise.withResolvers<number>();
  const workload = repeated("Foo.Pid", undefined);
  const run = runBench({
    ...shortRun,
    durationMs: 60_000,
    benchCase: callsCase({
      ...workload,
      isRight(_call, reply) {
        started(reply as number);
        return true;
      },
    }),
    signal: controller.signal,
  });
  const server = await pid;
  expect(isAlive(server)).toBe(true);
  controller.abort();
  await expect(run).rejects.toMatchObject({ code: "cancelled" });
  expect(isAlive(server)).toBe(false);
});

test("interrupted before it began: nothing is started", async () => {
  const target = { command: ["/nowhere/geerpc"] };
  const signal = AbortSignal.abort();
  await expect(runBench({ ...shortRun, target, signal })).rejects.toMatchObject(
    {
      code: "cancelled",
    },
  );
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
