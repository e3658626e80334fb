import { describe, expect, test } from "bun:test";
import type { LogLine } from "../../src/cli/event-line.ts";
import type { ServerValues } from "../../src/cli/server.ts";
import { Workers } from "../../src/cli/workers/workers.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";
import { serving, setUp } from "./set-up-workers.ts";

// Workers whose processes are none: who is started, told and replaced, when.

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

  test("the one that tells the services tells them again where it did not come to serve", async () => {
    const { workers, processes, clock } = setUp();
    processes.at(0).end(1);
    processes.at(1).listen();
    await workers.started();
    await clock.advance(250);
    processes.at(2).listen();
    processes.at(2).end(1);
    await clock.advance(400);
    const tells = processes.list.map(
      ({ told: [first] }) => first?.kind === "start" && first.tellsServices,
    );
    expect(tells).toEqual([true, false, true, false]);
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

test("one that is leaving has as long as a drain, and is killed then", async () => {
  const { processes, clock, events } = await serving();
  processes.at(0).say({ kind: "leaving" });
  processes.at(1).say({ kind: "leaving" });
  await clock.advance(30_000);
  processes.at(1).end(1);
  await clock.advance(9_999);
  expect(processes.at(0).isKilled).toBe(false);
  await clock.advance(1);
  expect(processes.list.map(({ isKilled }) => isKilled)).toEqual([
    ...[true, false],
    ...[false, false],
  ]);
  expect(events().filter((event) => event === "worker-cut")).toHaveLength(1);
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

  test.each([
    ["SIGINT", true],
    ["SIGTERM", true],
    ["SIGSEGV", false],
  ] as const)(
    "one that %s ends before it serves: in order is %p, and after it served never",
    async (signal, isInOrder) => {
      const starting = setUp();
      starting.processes.at(0).listen();
      const drained = starting.workers.drain(30_000);
      starting.processes.at(0).end(0);
      starting.processes.at(1).end(null, signal);
      expect(await drained).toBe(isInOrder);
      const served = await serving();
      const ended = served.workers.drain(30_000);
      served.processes.at(0).end(0);
      served.processes.at(1).end(null, signal);
      expect(await ended).toBe(false);
    },
  );

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
