import { expect, test } from "bun:test";
import type { LoadOrder } from "../../src/bench/load-server.ts";
import { ProcessSides, together } from "../../src/bench/process-sides.ts";
import type { SideSlice } from "../../src/bench/sides.ts";
import { Histogram } from "../../src/metrics/histogram.ts";

function sliceOf(latencyUs: number, more: Partial<SideSlice> = {}): SideSlice {
  const latenciesUs = new Histogram();
  latenciesUs.record(latencyUs);
  return {
    count: 3,
    elapsedMs: 100,
    done: 4,
    errors: 1,
    clientCpuUs: 50,
    latenciesUs,
    ...more,
  };
}

test("what several processes did at the same time adds up, but for the time", () => {
  const one = sliceOf(10, {
    mostInFlight: 7,
    stream: { count: 5, elapsedMs: 90 },
    firstFailure: "first",
  });
  const other = sliceOf(30, {
    elapsedMs: 120,
    mostInFlight: 8,
    stream: { count: 6, elapsedMs: 80 },
    firstFailure: "second",
  });
  const { latenciesUs, ...rest } = together(one, other);
  expect(rest).toEqual({
    count: 6,
    elapsedMs: 120,
    done: 8,
    errors: 2,
    clientCpuUs: 100,
    mostInFlight: 15,
    stream: { count: 11, elapsedMs: 90 },
    firstFailure: "first",
  });
  expect(latenciesUs.buckets()).toEqual([
    [10, 1],
    [30, 1],
  ]);
});

test("what neither has, both have not", () => {
  const { latenciesUs: _, ...rest } = together(sliceOf(1), sliceOf(2));
  expect(Object.keys(rest)).toEqual([
    "count",
    "elapsedMs",
    "done",
    "errors",
    "clientCpuUs",
  ]);
});

const order: LoadOrder = {
  case: { name: "echo-1k" },
  connections: 1,
  hasFloor: false,
  target: { address: "127.0.0.1:1" },
};

/** A process that answers each line of its input with what `answers` makes of it. */
function answering(answers: string): string[] {
  const script = `for await (const line of console) {
    if (line === "") break;
    const order = JSON.parse(line);
    console.log(JSON.stringify((${answers})(order)));
  }`;
  return [process.execPath, "-e", script];
}

const slice = `{ count: 3, elapsedMs: 1, done: 3, errors: 0, clientCpuUs: 1, latenciesUs: [[order.inFlight, 3]] }`;

test("all make the load, and one measures JSON alone", async () => {
  const command = answering(
    `(order) => order.side ? ${slice} : { sides: ["serializer", "geerpc"] }`,
  );
  await using sides = await ProcessSides.start(command, undefined, 3, order);
  expect(sides.names).toEqual(["serializer", "geerpc"]);
  const { count, latenciesUs } = await sides.run("geerpc", 7, 100);
  expect(count).toBe(9);
  expect(latenciesUs.buckets()).toEqual([[7, 9]]);
  expect((await sides.run("serializer", 7, 100)).count).toBe(3);
});

test("a failure has its code, also in the middle of a run", async () => {
  const failing = `{ error: { code: "not_found", message: "no" } }`;
  const atOnce = answering(`() => (${failing})`);
  const never = await ProcessSides.start(atOnce, undefined, 2, order).catch(
    (e) => e,
  );
  expect(never).toMatchObject({ code: "not_found" });
  const later = answering(
    `(order) => order.side ? ${failing} : { sides: ["geerpc"] }`,
  );
  await using sides = await ProcessSides.start(later, undefined, 2, order);
  const thrown = await sides.run("geerpc", 1, 1).catch((e) => e);
  expect(thrown).toMatchObject({ code: "not_found" });
});

test("a process that ends is unavailable", async () => {
  const command = [process.execPath, "-e", "process.exit(3)"];
  const thrown = await ProcessSides.start(command, undefined, 2, order).catch(
    (e) => e,
  );
  expect(thrown).toMatchObject({ code: "unavailable" });
});
