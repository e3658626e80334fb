import { expect, test } from "bun:test";
import type { SliceFigures } from "./running-peer.ts";
import { renderLead, renderTable } from "./table.ts";
import { cases, type Row, type Sliceable, takeTurns } from "./turns.ts";

const nothing: SliceFigures = {
  count: 1,
  callsPerSecond: 1,
  p50Us: 1,
  p99Us: 1,
  cpuUsPerCall: 1,
  rssBytes: 1024 * 1024,
};

test("in each round every peer has a slice, another one first each time", async () => {
  const order: string[] = [];
  const peer = (name: string): [string, Sliceable] => [
    name,
    {
      async slice({ durationMs }) {
        order.push(`${name}${durationMs}`);
        return { ...nothing, count: order.length };
      },
    },
  ];
  const rows = await takeTurns(new Map(["a", "b", "c"].map(peer)), {
    rounds: 2,
    sliceMs: 5,
    warmUpMs: 7,
    onFailure: () => expect.unreachable(),
  });
  const ofOneCase = "a7 b7 c7 a5 b5 c5 b5 c5 a5".split(" ");
  expect(order).toEqual(cases.flatMap(() => ofOneCase));
  expect(rows.length).toBe(3 * cases.length);
  // What the warm-up came to is in no row.
  expect(rows[0]).toMatchObject({ peer: "a", ...cases[0] });
  expect(rows[0]?.rounds.map(({ count }) => count)).toEqual([4, 9]);
});

test("a peer that fails has no more turns, and no row of that case", async () => {
  let slices = 0;
  const failing: Sliceable = {
    async slice() {
      // The second slice of the second case.
      if (++slices === 5) throw new Error("it is gone");
      return nothing;
    },
  };
  const failures: string[] = [];
  const peers = new Map([
    ["failing", failing],
    ["other", { slice: async () => nothing }],
  ]);
  const rows = await takeTurns(peers, {
    rounds: 2,
    sliceMs: 5,
    warmUpMs: 5,
    onFailure: (peer) => failures.push(peer),
  });
  expect(failures).toEqual(["failing"]);
  expect(slices).toBe(5);
  expect(rows.map(({ peer }) => peer)).toEqual([
    "failing",
    "other",
    ...cases.slice(1).map(() => "other"),
  ]);
  expect(rows.every(({ rounds }) => rounds.length === 2)).toBe(true);
});

function row(peer: string, rates: number[], which: Row["case"] = "sum"): Row {
  const rounds = rates.map((callsPerSecond) => ({
    ...nothing,
    callsPerSecond,
  }));
  return { peer, case: which, inFlight: 64, rounds };
}

test("a ratio is the median of neighbours, not the quotient of medians", () => {
  const rows = [
    row("geerpc", [1_000, 2_000, 4_000]),
    row("other", [3_000, 1_000, 1_200]),
  ];
  const [titles, , first, second] = renderTable(rows)
    .split("\n")
    .map((line) => line.trim().split(/ {2,}/).slice(0, 5));
  expect(titles).toEqual(["case", "in flight", "peer", "calls/s", "×"]);
  expect(first).toEqual(["sum", "64", "geerpc", "2,000", "1.00"]);
  expect(second).toEqual(["sum", "64", "other", "1,200", "0.50"]);
  // Without the reference there is nothing to divide by.
  const alone = renderTable([row("other", [1, 2, 3])]);
  expect(alone.split("\n").at(-1)).toMatch(/other +2 +- /);
});

test("the lead is over the best of the others, case by case", () => {
  const echo = "echo-1k";
  const rows = [
    row("geerpc", [600]),
    row("xclient", [500]),
    row("slow", [10]),
    row("fast", [200]),
    row("geerpc", [899], echo),
    row("slow", [10], echo),
    row("fast", [300], echo),
  ];
  const [sum, echoed, reason, ...rest] = renderLead(rows).split("\n");
  expect(sum).toMatch(/^sum, 64 .* 3\.00 times fast, [^:]*$/);
  expect(echoed).toMatch(/^echo-1k, 64 .* times fast, .*MISSED$/);
  expect(reason).toMatch(/^ {2}\w/);
  expect(rest).toEqual([]);
  expect(renderLead([...rows.slice(4, 6)])).toMatch(/times slow,.*reached$/);
  expect(renderLead([row("geerpc", [1])])).toBe("");
});
