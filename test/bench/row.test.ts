import { expect, test } from "bun:test";
import { benchCase } from "../../src/bench/cases.ts";
import { Row, type RowConnections } from "../../src/bench/row.ts";
import type { Side, Sides } from "../../src/bench/sides.ts";
import { Histogram } from "../../src/metrics/histogram.ts";

const connections: RowConnections = {
  codec: "application/x-geerpc",
  sizes: { request: 51, response: 20 },
  hasOwnServer: true,
  serverCpuUs: async () => 0,
};

/** Each does as many calls as it has had slices so far. */
class FakeSides implements Sides {
  readonly names: readonly Side[] = ["limit", "floor", "geerpc"];
  readonly ran: string[] = [];
  /** Whose calls go wrong, one in each slice. */
  failing: readonly Side[] = [];

  async run(side: Side, _inFlight: number, durationMs: number) {
    this.ran.push(`${side} ${durationMs}`);
    const isWrong = this.failing.includes(side);
    return {
      ...{ count: this.ran.length, elapsedMs: 1_000, done: 1 },
      ...{ clientCpuUs: 0, latenciesUs: new Histogram() },
      errors: isWrong ? 1 : 0,
      ...(isWrong && { firstFailure: `${side} was wrong` }),
    };
  }
}

function rowOf(sides: Sides): Row {
  return new Row(connections, sides, 8, {
    benchCase: benchCase("sum"),
    connections: 1,
    durationMs: 900,
    turns: 3,
  });
}

test("sides take turns there and back, after a warm-up that does not count", async () => {
  const sides = new FakeSides();
  const row = rowOf(sides);
  const told: number[] = [];
  const report = await row.measure((_, slice) => told.push(slice.count));
  const there = ["limit 100", "floor 100", "geerpc 100"];
  expect(sides.ran).toEqual([
    ...["limit 25", "floor 100", "geerpc 100"],
    ...there,
    ...there.toReversed(),
    ...there,
  ]);
  // geerpc's slices are the 6th, the 7th and the 12th.
  expect(told).toEqual([6, 7, 12]);
  expect(report.callsPerSecond).toBe(7);
});

test("what a side that it is compared to did wrong counts, too", async () => {
  const sides = new FakeSides();
  sides.failing = ["floor"];
  expect(await rowOf(sides).measure(() => {})).toMatchObject({
    ...{ calls: 3, errors: 3, firstFailure: "floor was wrong" },
  });
  sides.failing = ["floor", "geerpc"];
  expect(await rowOf(sides).measure(() => {})).toMatchObject({
    ...{ errors: 6, firstFailure: "geerpc was wrong" },
  });
});
