import { expect, test } from "bun:test";
import { runBench } from "../../src/bench/bench.ts";
import { callsCase } from "../../src/bench/cases.ts";
import { repeated, varyingSums } from "../../src/bench/workload.ts";
import { isAlive } from "../support/geerpc.ts";
import { loadCommand, shortRun } from "./short-run.ts";

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

test("what goes wrong while it warms up is in no figure", async () => {
  const sums = varyingSums();
  const { cases } = await runBench({
    ...shortRun,
    inFlight: [1],
    benchCase: callsCase({
      ...sums,
      isRight: (call, reply) => call > 0 && sums.isRight(call, reply),
    }),
  });
  expect(cases[0]?.errors).toBe(0);
  expect(cases[0]?.firstFailure).toBeUndefined();
});

test("several processes make the load together", async () => {
  const processes = {
    count: 2,
    command: loadCommand,
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
