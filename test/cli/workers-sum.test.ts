import { describe, expect, test } from "bun:test";
import { settle } from "../support/manual-clock.ts";
import { tallyOfOne } from "./fake-workers.ts";
import { serving } from "./set-up-workers.ts";

// The figures of workers whose processes are none.

describe("the sum", () => {
  test("goes to the worker that asked, of what all have given", async () => {
    const { processes, clock } = await serving();
    processes.at(1).say({ kind: "sum" });
    await settle();
    expect(processes.list.map((each) => each.count("tally"))).toEqual([1, 1]);
    processes.at(0).say({ kind: "tally", tally: tallyOfOne(101, 3) });
    processes.at(1).say({ kind: "tally", tally: tallyOfOne(102, 4) });
    await settle();
    expect(processes.at(0).count("sum")).toBe(0);
    expect(processes.at(1).told.at(-1)).toMatchObject({
      kind: "sum",
      report: { server: { connections: 7, uptimeMs: 40, pid: process.pid } },
    });
    expect(clock.timers).toBe(0);
  });

  test("is asked for once where several want it at a time", async () => {
    const { processes } = await serving();
    processes.at(0).say({ kind: "sum" });
    processes.at(1).say({ kind: "sum" });
    await settle();
    expect(processes.list.map((each) => each.count("tally"))).toEqual([1, 1]);
    processes.at(0).say({ kind: "tally", tally: tallyOfOne(101, 1) });
    processes.at(1).say({ kind: "tally", tally: tallyOfOne(102, 1) });
    await settle();
    expect(processes.list.map((each) => each.count("sum"))).toEqual([1, 1]);
    processes.at(0).say({ kind: "sum" });
    await settle();
    expect(processes.list.map((each) => each.count("tally"))).toEqual([2, 2]);
  });

  test("leaves out who does not answer within a second, and names it", async () => {
    const { workers, processes, clock } = await serving();
    const sum = workers.sum();
    await settle();
    processes.at(0).say({ kind: "tally", tally: tallyOfOne(101, 3) });
    await clock.advance(999);
    let isThere = false;
    void sum.then(() => (isThere = true));
    await settle();
    expect(isThere).toBe(false);
    await clock.advance(1);
    const { connections, workers: all } = (await sum).server;
    expect(connections).toBe(3);
    expect(all).toMatchObject([
      { worker: 1, pid: 101, state: "serving", connections: 3 },
      { worker: 2, pid: 102, state: "silent" },
    ]);
  });

  test("does not wait for one that ends, nor for one that has not started", async () => {
    const { workers, processes, clock } = await serving();
    const sum = workers.sum();
    await settle();
    processes.at(0).say({ kind: "tally", tally: tallyOfOne(101, 3) });
    processes.at(1).end(1);
    expect((await sum).server.workers).toMatchObject([
      { worker: 1 },
      { worker: 2, pid: null, state: "silent" },
    ]);
    await clock.advance(250);
    const again = workers.sum();
    await settle();
    expect(processes.at(2).count("tally")).toBe(0);
    processes.at(0).say({ kind: "tally", tally: tallyOfOne(101, 3) });
    expect((await again).server.workers).toMatchObject([
      { worker: 1 },
      { worker: 2, pid: 103, state: "silent" },
    ]);
  });
});

test("who is leaving has no figures any more, who took its place has", async () => {
  const { workers, processes, clock } = await serving();
  processes.at(0).say({ kind: "leaving" });
  await clock.advance(250);
  processes.at(2).listen();
  const sum = workers.sum();
  await settle();
  processes.at(0).say({ kind: "tally", tally: tallyOfOne(101, 100) });
  processes.at(1).say({ kind: "tally", tally: tallyOfOne(102, 10) });
  processes.at(2).say({ kind: "tally", tally: tallyOfOne(103, 1) });
  expect((await sum).server).toMatchObject({
    connections: 11,
    workers: [{ pid: 103 }, { pid: 102 }],
  });
});
