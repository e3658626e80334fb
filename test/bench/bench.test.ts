import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { type BenchOptions, runBench } from "../../src/bench/bench.ts";
import { ServerProcess } from "../../src/bench/server-process.ts";
import { benchCase, callsCase } from "../../src/bench/cases.ts";
import { repeated } from "../../src/bench/workload.ts";
import { Program } from "../support/geerpc.ts";

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

test("the floor takes turns with the rest", async () => {
  const { cases } = await runBench({
    ...shortRun,
    hasFloor: true,
    connections: 2,
    inFlight: [8],
  });
  const [row] = cases;
  expect(row).toMatchObject({ connections: 2, errors: 0 });
  expect(row?.floorPerSecond).toBeGreaterThan(0);
  expect(row?.ratioToFloor).toBeGreaterThan(0);
  expect(row?.floorRatio).toBeGreaterThan(0);
  expect(row?.floorCpuUsPerCall).toBeGreaterThan(0);
  expect(row?.limitPerSecond).toBeGreaterThan(0);
});

test("echo-1k: an object of 1 KB, beside JSON alone", async () => {
  const { cases } = await runBench({
    ...shortRun,
    benchCase: benchCase("echo-1k"),
    inFlight: [4],
  });
  const [row] = cases;
  expect(row).toMatchObject({ case: "echo-1k", errors: 0, unit: "calls" });
  expect(row?.requestBytes).toBeGreaterThan(1_000);
  expect(row?.serializerPerSecond).toBeGreaterThan(0);
  expect(row?.ratioToSerializer).toBeGreaterThan(0);
  expect(row?.ratio).toBeGreaterThan(0);
});

test.each([
  ["bytes-64k", 65_536],
  ["bytes-4m", 4_194_304],
] as const)(
  "%s: bytes that come back, as raw sockets carry as many",
  async (name, bytes) => {
    const { cases } = await runBench({
      ...shortRun,
      benchCase: benchCase(name),
      inFlight: [2],
    });
    const [row] = cases;
    expect(row).toMatchObject({ case: name, errors: 0 });
    expect(row?.requestBytes).toBeGreaterThan(bytes);
    const megabytes = (perSecond = NaN) => (perSecond * bytes) / 1e6;
    expect(row?.megabytesPerSecond).toBe(megabytes(row?.callsPerSecond));
    const limit = megabytes(row?.limitPerSecond ?? NaN);
    expect(row?.limitMegabytesPerSecond).toBe(limit);
  },
);

test("xclient: to three servers by their registry, in turns with a plain client", async () => {
  const { cases } = await runBench({
    ...shortRun,
    benchCase: benchCase("xclient"),
    inFlight: [8],
    target: { command: [...command, "--fleet"] },
  });
  const [row] = cases;
  expect(row).toMatchObject({
    case: "xclient",
    errors: 0,
    reference: "plain",
    limitPerSecond: null,
  });
  expect(row?.referencePerSecond).toBeGreaterThan(0);
  expect(row?.ratioToReference).toBeGreaterThan(0);
});

test("xclient without a fleet is nothing that could be measured", async () => {
  const thrown = await runBench({
    ...shortRun,
    benchCase: benchCase("xclient"),
  }).catch((e) => e);
  expect(thrown).toMatchObject({ code: "invalid_argument" });
});

test.each([
  ["json", "application/json"],
  ["gob", "application/gob"],
] as const)(
  "%s: that codec, in turns with the binary one",
  async (name, codec) => {
    const { codec: _, ...run } = shortRun;
    const { cases } = await runBench({
      ...run,
      benchCase: benchCase(name),
      inFlight: [8],
    });
    const [row] = cases;
    expect(row).toMatchObject({ codec, errors: 0, reference: "binary" });
    expect(row?.ratioToReference).toBeGreaterThan(0);
  },
);

test("a fixed rate: as many calls as were asked for, and nothing takes turns", async () => {
  const { cases } = await runBench({
    ...shortRun,
    hasFloor: true,
    connections: 2,
    inFlight: [99],
    turns: 3,
    durationMs: 100,
    callsPerSecond: 500,
  });
  const [row] = cases;
  expect(row).toMatchObject({
    rate: 500,
    calls: 50,
    errors: 0,
    limitPerSecond: null,
    cpuUsPerCall: null,
    coresUsed: null,
  });
  expect(row?.inFlight).toBeGreaterThan(0);
  expect(row?.inFlight).toBeLessThanOrEqual(50);
  expect(row?.floorPerSecond).toBe(undefined);
});

test("so many turns as are asked for", async () => {
  const fractions: number[] = [];
  await runBench({
    ...shortRun,
    inFlight: [4],
    turns: 3,
    onProgress: ({ fraction }) => fractions.push(fraction),
  });
  expect(fractions).toEqual([0, 1 / 3, 2 / 3, 1]);
});

test("several processes make the load together", async () => {
  const processes = {
    count: 2,
    command: [process.execPath, join(import.meta.dir, "load.ts")],
    case: { name: "sum" },
  } as const;
  const { cases } = await runBench({
    ...shortRun,
    hasFloor: true,
    connections: 2,
    inFlight: [4],
    processes,
  });
  const [row] = cases;
  expect(row).toMatchObject({ processes: 2, connections: 2, errors: 0 });
  expect(row?.callsPerSecond).toBeGreaterThan(0);
  expect(row?.floorPerSecond).toBeGreaterThan(0);
  expect(row?.limitPerSecond).toBeGreaterThan(0);
  expect(row?.p99Us).toBeGreaterThan(0);
  const { cases: atRate } = await runBench({
    ...shortRun,
    inFlight: [1],
    durationMs: 100,
    callsPerSecond: 1_000,
    processes,
  });
  // Each has its half.
  expect(atRate).toMatchObject([{ rate: 1_000, calls: 100, errors: 0 }]);
});

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
        command: [process.execPath, join(import.meta.dir, "load.ts")],
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
