import { describe, expect, test } from "bun:test";
import type { LogLine } from "../../src/cli/event-line.ts";
import type { ServerValues } from "../../src/cli/server.ts";
import { Workers } from "../../src/cli/workers/workers.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";
import { FakeProcesses, tallyOfOne } from "./fake-workers.ts";

// Workers whose processes are none: who is started, told and replaced, when.

function setUp({ count = 2, isReady = true } = {}) {
  const processes = new FakeProcesses();
  const clock = new ManualClock();
  const lines: LogLine[] = [];
  const workers = new Workers({
    count,
    spawn: processes.spawn,
    start: { listen: "tcp@127.0.0.1:7", files: [], values: {} as ServerValues },
    isReady,
    log: { write: (line) => lines.push(line), onEvent: () => {} },
    clock,
    // No jitter: 250 ms, 400 ms, 640 ms.
    random: () => 0.5,
  });
  const events = () => lines.map(({ fields }) => fields["event"]);
  return { workers, processes, clock, lines, events };
}

/** Two workers that serve. */
async function serving() {
  const all = setUp();
  all.processes.at(0).listen();
  all.processes.at(1).listen();
  await all.workers.started();
  return all;
}

describe("the start", () => {
  test("each is told its number and the port; one tells the services, once", async () => {
    const { processes, clock } = await serving();
    processes.at(0).end(1);
    await clock.advance(250);
    const starts = processes.list.map(({ told }) => told[0]);
    expect(starts).toMatchObject([
      { kind: "start", worker: 1, tellsServices: true },
      { kind: "start", worker: 2, tellsServices: false },
      { kind: "start", worker: 1, tellsServices: false },
    ]);
    for (const start of starts) {
      expect(start).toMatchObject({ listen: "tcp@127.0.0.1:7", isReady: true });
    }
  });

  test("it is over when each of them serves", async () => {
    const { workers, processes } = setUp();
    let isStarted = false;
    const started = workers.started();
    void started.then(() => (isStarted = true));
    processes.at(1).listen();
    await settle();
    expect(isStarted).toBe(false);
    processes.at(0).listen();
    expect(await started).toMatchObject({
      address: "tcp@127.0.0.1:7",
      services: ["Foo"],
    });
  });

  test("when all fail, the first one's reason is the result, and nobody tries again", async () => {
    const { workers, processes, clock, lines } = setUp();
    const line: LogLine = { level: "error", message: "no", fields: {} };
    processes.at(1).end(7);
    processes.at(0).say({ kind: "start-failed", line });
    processes.at(0).end(5);
    expect(await workers.started()).toEqual({ failure: line, exitCode: 5 });
    await clock.advance(60_000);
    expect(processes.list).toHaveLength(2);
    expect(clock.timers).toBe(0);
    expect(lines).toEqual([]);
  });

  test("one that ends without a word has failed: with its exit code, and 1 where it has none", async () => {
    for (const [exitCode, signal, expected] of [
      [3, null, 3],
      [0, null, 1],
      [null, "SIGSEGV", 1],
    ] as const) {
      const { workers, processes } = setUp({ count: 1 });
      processes.at(0).end(exitCode, signal);
      expect(await workers.started()).toMatchObject({
        exitCode: expected,
        failure: { fields: { event: "start-failed", exitCode, signal } },
      });
    }
  });

  test("one that fails beside others is tried again, later each time", async () => {
    const { workers, processes, clock, events } = setUp();
    processes.at(0).listen();
    processes.at(1).end(1);
    await workers.started();
    for (const [at, waitMs] of [250, 400, 640].entries()) {
      await clock.advance(waitMs - 1);
      expect(processes.list).toHaveLength(2 + at);
      await clock.advance(1);
      expect(processes.list).toHaveLength(3 + at);
      processes.at(2 + at).end(1);
    }
    await settle();
    expect(events()).toEqual([
      "worker-started",
      ...Array(4).fill("worker-not-started"),
    ]);
  });

  test("a process that cannot be made has failed", async () => {
    const workers = new Workers({
      count: 1,
      spawn() {
        throw new Error("EAGAIN");
      },
      start: { listen: "", files: [], values: {} as ServerValues },
      isReady: true,
      log: { write: () => {}, onEvent: () => {} },
      clock: new ManualClock(),
    });
    expect(await workers.started()).toMatchObject({ exitCode: 1 });
  });
});

describe("a worker that ends", () => {
  test("soon after its start is replaced after a backoff, which grows", async () => {
    const { processes, clock, lines } = await serving();
    processes.at(1).end(null, "SIGKILL");
    await clock.advance(249);
    expect(processes.list).toHaveLength(2);
    await clock.advance(1);
    expect(processes.list).toHaveLength(3);
    processes.at(2).listen();
    processes.at(2).end(1);
    await clock.advance(399);
    expect(processes.list).toHaveLength(3);
    await clock.advance(1);
    expect(processes.list).toHaveLength(4);
    const lost = lines.filter(
      ({ fields }) => fields["event"] === "worker-lost",
    );
    expect(lost.map(({ fields }) => fields)).toEqual([
      {
        ...{ event: "worker-lost", worker: 2, pid: 102, retryInMs: 250 },
        ...{ exitCode: null, signal: "SIGKILL" },
      },
      {
        ...{ event: "worker-lost", worker: 2, pid: 103, retryInMs: 400 },
        ...{ exitCode: 1, signal: null },
      },
    ]);
  });

  test("after 10 s of service is replaced at once, and the backoff is the first again", async () => {
    const { processes, clock } = await serving();
    processes.at(0).end(1);
    await clock.advance(250);
    processes.at(2).listen();
    await clock.advance(10_000);
    processes.at(2).end(1);
    await clock.advance(0);
    expect(processes.list).toHaveLength(4);
    processes.at(3).listen();
    processes.at(3).end(1);
    await clock.advance(250);
    expect(processes.list).toHaveLength(5);
  });

  test("is replaced again when what takes its place does not start", async () => {
    const { processes, clock, events } = await serving();
    processes.at(0).end(1);
    await clock.advance(250);
    processes.at(2).end(1);
    await clock.advance(400);
    expect(processes.list).toHaveLength(4);
    expect(events().slice(2)).toEqual(["worker-lost", "worker-not-started"]);
  });

  test("is replaced as soon as it says that it is leaving, and once", async () => {
    const { processes, clock } = await serving();
    processes.at(0).say({ kind: "leaving" });
    await clock.advance(250);
    expect(processes.list).toHaveLength(3);
    processes.at(2).listen();
    processes.at(0).end(1);
    await clock.advance(60_000);
    expect(processes.list).toHaveLength(3);
  });
});

test("a registry that knows the server: those that run are told, once, and those that come", async () => {
  const { workers, processes, clock } = setUp({ isReady: false });
  processes.at(0).listen();
  processes.at(1).listen();
  await workers.started();
  workers.ready();
  workers.ready();
  processes.at(0).end(1);
  await clock.advance(250);
  expect(processes.list.map((each) => each.count("ready"))).toEqual([1, 1, 0]);
  const isReady = processes.list.map(
    ({ told: [first] }) => first?.kind === "start" && first.isReady,
  );
  expect(isReady).toEqual([false, false, true]);
});

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

describe("the end", () => {
  test("all are told to drain, nobody is replaced, and it is over when all are gone", async () => {
    const { workers, processes, clock } = await serving();
    let isInOrder: boolean | undefined;
    void workers.drain(30_000).then((result) => (isInOrder = result));
    expect(processes.list.map((each) => each.count("drain"))).toEqual([1, 1]);
    processes.at(0).end(0);
    await clock.advance(39_999);
    expect(isInOrder).toBeUndefined();
    processes.at(1).end(0);
    await settle();
    expect(isInOrder).toBe(true);
    expect(processes.list).toHaveLength(2);
    expect(clock.timers).toBe(0);
  });

  test("one that is there 10 s after the drain is killed: no order", async () => {
    const { workers, processes, clock, events } = await serving();
    const drained = workers.drain(30_000);
    processes.at(0).end(0);
    await clock.advance(39_999);
    expect(processes.at(1).isKilled).toBe(false);
    await clock.advance(1);
    expect(processes.list.map(({ isKilled }) => isKilled)).toEqual([
      false,
      true,
    ]);
    expect(await drained).toBe(false);
    expect(events().at(-1)).toBe("worker-cut");
  });

  test("one that is leaving belongs to it, one that waits for its start is none", async () => {
    const { workers, processes, clock } = await serving();
    processes.at(0).say({ kind: "leaving" });
    processes.at(1).end(1);
    await settle();
    const drained = workers.drain(30_000);
    expect(processes.list.map((each) => each.count("drain"))).toEqual([1, 0]);
    processes.at(0).end(1);
    expect(await drained).toBe(false);
    await clock.advance(60_000);
    expect(processes.list).toHaveLength(2);
  });

  test("by force all are killed, and nobody is replaced", async () => {
    const { workers, processes, clock } = await serving();
    processes.at(0).say({ kind: "leaving" });
    await clock.advance(250);
    workers.kill();
    expect(processes.list.map(({ isKilled }) => isKilled)).toEqual([
      true,
      true,
      true,
    ]);
    await clock.advance(60_000);
    expect(processes.list).toHaveLength(3);
  });
});
