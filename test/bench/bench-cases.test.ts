import { expect, test } from "bun:test";
import { runBench } from "../../src/bench/bench.ts";
import { benchCase } from "../../src/bench/cases.ts";
import { command, shortRun } from "./short-run.ts";

// The cases that have names, but for sum.

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

test("a codec without streams has no stream to measure", async () => {
  const thrown = await runBench({
    ...shortRun,
    codec: "application/json",
    benchCase: benchCase("stream-small"),
  }).catch((e) => e);
  expect(thrown).toMatchObject({ code: "unimplemented" });
});
