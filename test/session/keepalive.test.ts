import { describe, expect, test } from "bun:test";
import {
  KeepAlive,
  type KeepAliveOptions,
} from "../../src/session/keepalive.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { testRandom } from "../support/seed.ts";

const design: KeepAliveOptions = {
  busyMs: 10_000,
  idleMs: 30_000,
  timeoutMs: 5_000,
};

/** A KeepAlive whose owner writes down what it is told, and when. */
function watched(clock: ManualClock, options = design) {
  const told: string[] = [];
  const owner = {
    busy: false,
    isBusy: () => owner.busy,
    sendPing: () => void told.push(`${clock.now()} ping`),
    vanished: () => void told.push(`${clock.now()} dead`),
  };
  const keepAlive = new KeepAlive(clock, options, owner);
  return { keepAlive, owner, told };
}

type Event = "start" | "stop" | "heard" | "pause" | "resume" | "busy" | "idle";

/** What is told when these events happen, each at its ms, and nothing more up to 100 s. */
async function tell(
  script: [number, Event][],
  options?: KeepAliveOptions,
): Promise<string[]> {
  const clock = new ManualClock(0);
  const { keepAlive, owner, told } = watched(clock, options);
  for (const [at, event] of script) {
    await clock.advance(at - clock.now());
    if (event === "busy" || event === "idle") owner.busy = event === "busy";
    else keepAlive[event]();
  }
  await clock.advance(100_000 - clock.now());
  keepAlive.stop();
  expect(clock.timers).toBe(0);
  return told;
}

interface Row {
  state: "off" | "silent" | "pinged";
  what: string;
  script: [number, Event][];
  told: string[];
}

// The first round takes what was heard at 0: silence is counted from 250.
const rows: Row[] = [
  { state: "off", what: "nothing", script: [], told: [] },
  {
    state: "off",
    what: "start, idle",
    script: [[0, "start"]],
    told: ["30250 ping", "35250 dead"],
  },
  {
    state: "off",
    what: "start, busy",
    script: [
      [0, "busy"],
      [0, "start"],
    ],
    told: ["10250 ping", "15250 dead"],
  },
  {
    state: "silent",
    what: "heard begins again",
    script: [
      [0, "busy"],
      [0, "start"],
      [9_900, "heard"],
    ],
    told: ["20000 ping", "25000 dead"],
  },
  {
    state: "silent",
    what: "becomes busy before busyMs",
    script: [
      [0, "start"],
      [3_100, "busy"],
    ],
    told: ["10250 ping", "15250 dead"],
  },
  {
    state: "silent",
    what: "becomes busy after busyMs",
    script: [
      [0, "start"],
      [20_100, "busy"],
    ],
    told: ["20250 ping", "25250 dead"],
  },
  {
    state: "silent",
    what: "becomes idle before busyMs",
    script: [
      [0, "busy"],
      [0, "start"],
      [9_900, "idle"],
    ],
    told: ["30250 ping", "35250 dead"],
  },
  {
    state: "silent",
    what: "pause, and never resume",
    script: [
      [0, "start"],
      [5_100, "pause"],
    ],
    told: [],
  },
  {
    state: "silent",
    what: "pause and resume: what was left is left",
    script: [
      [0, "busy"],
      [0, "start"],
      [5_100, "pause"],
      [65_100, "resume"],
    ],
    // 4,750 ms up to the round at 5,000; 5,250 from the one at 65,250.
    told: ["70500 ping", "75500 dead"],
  },
  {
    state: "silent",
    what: "pause and resume in one round: that round does not count",
    script: [
      [0, "busy"],
      [0, "start"],
      [5_100, "pause"],
      [5_110, "resume"],
    ],
    told: ["10500 ping", "15500 dead"],
  },
  {
    state: "silent",
    what: "heard while paused begins again when it is over",
    script: [
      [0, "busy"],
      [0, "start"],
      [5_100, "pause"],
      [6_000, "heard"],
      [8_100, "resume"],
    ],
    told: ["18500 ping", "23500 dead"],
  },
  {
    state: "silent",
    what: "stop",
    script: [
      [0, "start"],
      [30_100, "stop"],
    ],
    told: [],
  },
  {
    state: "pinged",
    what: "heard is an answer",
    script: [
      [0, "start"],
      [35_200, "heard"],
      [36_000, "busy"],
      [50_200, "heard"],
      [51_000, "idle"],
    ],
    told: ["30250 ping", "45250 ping", "80250 ping", "85250 dead"],
  },
  {
    state: "pinged",
    what: "becomes busy, and gets no second ping",
    script: [
      [0, "start"],
      [30_300, "busy"],
    ],
    told: ["30250 ping", "35250 dead"],
  },
  {
    state: "pinged",
    what: "pause and resume: what was left is left",
    script: [
      [0, "start"],
      [31_100, "pause"],
      [61_100, "resume"],
    ],
    // 750 ms up to the round at 31,000; 4,250 from the one at 61,250.
    told: ["30250 ping", "65500 dead"],
  },
  {
    state: "pinged",
    what: "an answer that is read behind the pause",
    script: [
      [0, "start"],
      [30_300, "pause"],
      [61_100, "resume"],
      [61_101, "heard"],
      [61_102, "stop"],
    ],
    told: ["30250 ping"],
  },
  {
    state: "pinged",
    what: "stop",
    script: [
      [0, "start"],
      [35_200, "stop"],
    ],
    told: ["30250 ping"],
  },
  {
    state: "off",
    what: "start again behind the end, with a peer that is alive",
    script: [
      [0, "busy"],
      [0, "start"],
      [15_300, "heard"],
      [20_000, "start"],
      [31_000, "stop"],
      [40_000, "start"],
      [52_000, "stop"],
    ],
    told: ["10250 ping", "15250 dead", "30250 ping", "50250 ping"],
  },
];

describe("the table of states", () => {
  test.each(rows)("$state: $what", async ({ script, told }) => {
    expect(await tell(script)).toEqual(told);
  });
});

describe("what is off", () => {
  const busy: [number, Event][] = [
    [0, "busy"],
    [0, "start"],
  ];
  const idle: [number, Event][] = [[0, "start"]];

  test.each([0, Infinity])("with %d", async (off) => {
    const neverBusy = { ...design, busyMs: off };
    expect(await tell(busy, neverBusy)).toEqual([]);
    expect(await tell(idle, neverBusy)).toEqual(["30250 ping", "35250 dead"]);
    const neverIdle = { ...design, idleMs: off };
    expect(await tell(idle, neverIdle)).toEqual([]);
    expect(await tell(busy, neverIdle)).toEqual(["10250 ping", "15250 dead"]);
    const neverDead = { ...design, timeoutMs: off };
    expect(await tell([...busy, [50_000, "heard"]], neverDead)).toEqual([
      "10250 ping",
      "60250 ping",
    ]);
  });

  test.each([0, Infinity])("all, with %d, makes no timer", (off) => {
    const clock = new ManualClock();
    const options = { ...design, busyMs: off, idleMs: off };
    watched(clock, options).keepAlive.start();
    expect(clock.timers).toBe(0);
  });
});

test("a peer that says something each second is never pinged", async () => {
  const script = Array.from({ length: 100 }, (_, at): [number, Event] => [
    at * 1_000,
    at === 0 ? "start" : "heard",
  ]);
  expect(await tell([[0, "busy"], ...script])).toEqual([]);
});

test("one that vanished is found within interval, timeout and 1 s, and nobody is pinged early", async () => {
  const random = testRandom();
  const clock = new ManualClock(0);
  const trials = Array.from({ length: 200 }, () => {
    const busyMs = 300 + random() * 20_000;
    const idleMs = busyMs + random() * 20_000;
    const timeoutMs = 300 + random() * 8_000;
    const isBusy = random() < 0.5;
    const silenceMs = isBusy ? busyMs : idleMs;
    let heardAt = 0;
    let deadAt: number | undefined;
    const keepAlive = new KeepAlive(
      clock,
      { busyMs, idleMs, timeoutMs },
      {
        isBusy: () => isBusy,
        sendPing: () => {
          expect(clock.now() - heardAt).toBeGreaterThanOrEqual(silenceMs);
        },
        vanished: () => void (deadAt = clock.now()),
      },
    );
    const startAt = random() * 2_000;
    clock.after(startAt, () => {
      heardAt = startAt;
      keepAlive.start();
    });
    let at = startAt;
    for (let lives = Math.floor(random() * 8); lives > 0; lives--) {
      at += random() * (silenceMs + timeoutMs);
      clock.after(at, () => {
        heardAt = clock.now();
        keepAlive.heard();
      });
    }
    return () => {
      expect(deadAt).toBeDefined();
      const foundMs = (deadAt as number) - heardAt;
      expect(foundMs).toBeGreaterThanOrEqual(silenceMs + timeoutMs);
      expect(foundMs).toBeLessThanOrEqual(silenceMs + timeoutMs + 1_000);
    };
  });
  await clock.advance(500_000);
  for (const check of trials) check();
  expect(clock.timers).toBe(0);
});

test("10,000 connections wake the process 4 times a second, with one timer", async () => {
  let made = 0;
  class CountingClock extends ManualClock {
    override after(delayMs: number, run: () => void) {
      made++;
      return super.after(delayMs, run);
    }
  }
  const clock = new CountingClock(0);
  const all = Array.from({ length: 10_000 }, () => watched(clock));
  for (const { keepAlive } of all) keepAlive.start();
  await clock.advance(10_000);
  expect(made).toBe(41);
  expect(clock.timers).toBe(1);
  await clock.advance(20_250);
  expect(all.every(({ told }) => told.join() === "30250 ping")).toBe(true);
  for (const { keepAlive } of all) keepAlive.stop();
  expect(clock.timers).toBe(0);
});

test("time in which the process stood still is not the peer's", async () => {
  class LaggingClock extends ManualClock {
    lagMs = 0;
    override now() {
      return super.now() + this.lagMs;
    }
  }
  const clock = new LaggingClock(0);
  const { keepAlive, owner, told } = watched(clock);
  owner.busy = true;
  keepAlive.start();
  await clock.advance(11_100);
  // The round of 11,250 comes 20 s late, and counts for 1 s.
  clock.lagMs = 20_000;
  await clock.advance(3_400);
  expect(told).toEqual(["10250 ping", "34500 dead"]);
});

test("an owner that throws does not end the rounds of others", async () => {
  const clock = new ManualClock(0);
  const throwing = new KeepAlive(clock, design, {
    isBusy: () => true,
    sendPing: () => {
      throw new Error("no pipe");
    },
    vanished: () => {},
  });
  const { keepAlive, told } = watched(clock, { ...design, idleMs: 10_000 });
  throwing.start();
  keepAlive.start();
  expect(
    await clock.advance(20_000).catch((error: Error) => error.message),
  ).toBe("no pipe");
  await clock.advance(20_000);
  expect(told).toEqual(["10500 ping", "15500 dead"]);
});

test("who is told of a death may start the next connection, and end others", async () => {
  const clock = new ManualClock(0);
  const other = watched(clock);
  const next = watched(clock);
  const first = new KeepAlive(
    clock,
    { ...design, idleMs: 10_000 },
    {
      isBusy: () => false,
      sendPing: () => {},
      vanished: () => {
        other.keepAlive.stop();
        next.keepAlive.start();
      },
    },
  );
  first.start();
  other.keepAlive.start();
  await clock.advance(60_000);
  expect(other.told).toEqual([]);
  expect(next.told).toEqual(["45250 ping", "50250 dead"]);
  expect(clock.timers).toBe(0);
});
