import { describe, expect, test } from "bun:test";
import { type EjectionEvent, Ejections } from "../../src/balance/ejections.ts";
import type { CallOutcome } from "../../src/balance/picker.ts";
import { RoundRobinPicker } from "../../src/balance/round-robin.ts";
import { type Random, randomIndex } from "../../src/base/random.ts";
import type { Endpoint } from "../../src/discovery/discovery.ts";
import { testRandom } from "../support/seed.ts";
import { call, endpoints } from "./endpoints.ts";

/** Servers by letters, their ejections, and a time that only tests move. */
class Bench {
  readonly events: EjectionEvent[] = [];
  readonly ejections = new Ejections((event) => this.events.push(event));
  list: readonly Endpoint[] = [];
  now = 1_000;

  constructor(names: string) {
    this.relist(names);
  }

  relist(names: string): void {
    this.list = endpoints(...names);
    const addresses = new Set(this.list.map(({ address }) => address));
    this.ejections.retain(addresses, this.now);
  }

  /** The letters of those that may be called. */
  get admitted(): string {
    return this.#lettersOf(this.ejections.admitted(this.list, this.now));
  }

  /** What happened since the last question: `a+` returned, `a5` ejected for 5 s. */
  get told(): string {
    return this.events
      .splice(0)
      .map((event) => {
        const name = event.address.slice(4, 5);
        return event.kind === "server-returned"
          ? `${name}+`
          : `${name}${event.forMs / 1_000}`;
      })
      .join(" ");
  }

  /** Calls that begin and end now. */
  calls(name: string, outcome: CallOutcome, count = 1): void {
    for (let index = 0; index < count; index++) this.begin(name)(outcome);
  }

  /** A call that begins now; ends when it is told how. */
  begin(name: string): (outcome: CallOutcome) => void {
    const endpoint = this.of(name);
    const startedAt = this.now;
    this.ejections.started(endpoint, startedAt);
    return (outcome) =>
      this.ejections.ended(endpoint, outcome, startedAt, this.now);
  }

  /** As many failures as it takes. */
  eject(name: string): void {
    this.calls(name, "failed", 5);
  }

  of(name: string): Endpoint {
    return endpoints(name)[0] as Endpoint;
  }

  #lettersOf(list: readonly Endpoint[]): string {
    return list.map(({ address }) => address.slice(4, 5)).join("");
  }
}

describe("who is ejected", () => {
  test("a server with five failures in a row, for 5 s", () => {
    const bench = new Bench("abc");
    bench.calls("a", "failed", 4);
    expect(bench.admitted).toBe("abc");
    bench.calls("a", "failed");
    expect(bench.admitted).toBe("bc");
    expect(bench.events).toEqual([
      {
        kind: "server-ejected",
        address: "tcp@a:1",
        forMs: 5_000,
        reason: "failures-in-a-row",
      },
    ]);
    bench.now += 4_999;
    expect(bench.admitted).toBe("bc");
    bench.now += 1;
    expect(bench.admitted).toBe("abc");
  });

  test("one whose row was broken, by its rate", () => {
    const bench = new Bench("abcd");
    // Half are out, so c's row comes to nothing.
    bench.eject("a");
    bench.eject("b");
    bench.calls("c", "failed", 60);
    bench.calls("c", "answered");
    bench.relist("abcdef");
    bench.events.length = 0;
    bench.calls("c", "failed");
    expect(bench.events).toMatchObject([
      { address: "tcp@c:1", reason: "failure-rate" },
    ]);
  });

  test("nobody for what this end did", () => {
    const bench = new Bench("abc");
    bench.calls("a", "local", 100);
    expect(bench.told).toBe("");
    bench.calls("a", "failed", 4);
    bench.calls("a", "local", 100);
    expect(bench.told).toBe("");
    // Nor does it end a row.
    bench.calls("a", "failed");
    expect(bench.told).toBe("a5");
  });

  test("nobody before the first list, and nobody who is not on it", () => {
    const ejections = new Ejections(() => {
      throw new Error("nobody is ejected");
    });
    const list = endpoints("a", "b", "c");
    const [a] = list as [Endpoint];
    for (let count = 0; count < 9; count++) ejections.ended(a, "failed", 0, 0);
    ejections.retain(new Set(["tcp@b:1", "tcp@c:1", "tcp@d:1"]), 0);
    for (let count = 0; count < 9; count++) ejections.ended(a, "failed", 0, 0);
    expect(ejections.admitted(list, 0)).toBe(list);
  });
});

describe("each row of the table", () => {
  test("in: a call in flight at the ejection counts neither for nor against", () => {
    const bench = new Bench("abc");
    const before = Array.from({ length: 20 }, () => bench.begin("a"));
    bench.eject("a");
    bench.now += 10;
    for (const end of before.splice(10)) end("answered");
    expect(bench.told).toBe("a5");
    bench.now += 5_000;
    bench.calls("a", "answered");
    expect(bench.told).toBe("a+");
    for (const end of before) end("failed");
    expect(bench.told).toBe("");
  });

  test("ejected: after its time one call is its probe, and no other goes", () => {
    const bench = new Bench("abc");
    bench.eject("a");
    bench.now += 5_000;
    expect(bench.admitted).toBe("abc");
    bench.calls("b", "answered");
    expect(bench.admitted).toBe("abc");
    bench.begin("a");
    expect(bench.admitted).toBe("bc");
  });

  test("probed: answered, it is in, with a clean record", () => {
    const bench = new Bench("abc");
    bench.eject("a");
    bench.now += 5_000;
    bench.calls("a", "answered");
    expect(bench.told).toBe("a5 a+");
    expect(bench.admitted).toBe("abc");
    bench.calls("a", "failed", 4);
    expect(bench.admitted).toBe("abc");
  });

  test("probed: failed, it is ejected for longer", () => {
    const bench = new Bench("abc");
    bench.eject("a");
    bench.events.length = 0;
    bench.now += 5_000;
    const end = bench.begin("a");
    bench.now += 100;
    end("failed");
    expect(bench.events).toEqual([
      {
        kind: "server-ejected",
        address: "tcp@a:1",
        forMs: 10_000,
        reason: "probe-failed",
      },
    ]);
    bench.now += 9_999;
    expect(bench.admitted).toBe("bc");
    bench.now += 1;
    expect(bench.admitted).toBe("abc");
  });

  test("probed: local, another probe goes at once", () => {
    const bench = new Bench("abc");
    bench.eject("a");
    bench.now += 5_000;
    const end = bench.begin("a");
    bench.now += 100;
    end("local");
    expect(bench.admitted).toBe("abc");
    bench.begin("a");
    expect(bench.admitted).toBe("bc");
    expect(bench.told).toBe("a5");
  });

  test("probed: a probe that takes long lets another go, and still counts", () => {
    const bench = new Bench("abc");
    bench.eject("a");
    bench.now += 5_000;
    const end = bench.begin("a");
    bench.now += 4_999;
    expect(bench.admitted).toBe("bc");
    bench.now += 1;
    expect(bench.admitted).toBe("abc");
    bench.begin("a");
    expect(bench.admitted).toBe("bc");
    bench.now += 1_000;
    end("answered");
    expect(bench.told).toBe("a5 a+");
  });
});

describe("how long", () => {
  /** Lets each probe of a fail, so many times; gives the ejections, in s. */
  function failing(bench: Bench, probes: number): number[] {
    const seconds: number[] = [];
    bench.eject("a");
    for (let probe = 0; probe <= probes; probe++) {
      const [event] = bench.events.splice(0);
      const forMs = event?.kind === "server-ejected" ? event.forMs : 0;
      seconds.push(forMs / 1_000);
      bench.now += forMs;
      if (probe < probes) bench.calls("a", "failed");
    }
    return seconds;
  }

  test("5 s more each time, at most 300 s", () => {
    const seconds = failing(new Bench("abc"), 69);
    const expected = Array.from({ length: 70 }, (_, index) =>
      Math.min(300, 5 * (index + 1)),
    );
    expect(seconds).toEqual(expected);
  });

  for (const [inMs, seconds] of [
    [0, 20],
    [9_999, 20],
    [10_000, 15],
    [20_000, 10],
    [30_000, 5],
    [1e9, 5],
  ] as const) {
    test(`after ejections of 5, 10 and 15 s and ${inMs} ms in, ${seconds} s`, () => {
      const bench = new Bench("abc");
      expect(failing(bench, 2)).toEqual([5, 10, 15]);
      bench.calls("a", "answered");
      bench.now += inMs;
      bench.eject("a");
      expect(bench.told).toBe(`a+ a${seconds}`);
    });
  }

  test("what is above 300 s is not remembered", () => {
    const bench = new Bench("abc");
    failing(bench, 99);
    bench.calls("a", "answered");
    bench.now += 100_000;
    bench.eject("a");
    // n was 60: fell by 10, rose by 1.
    expect(bench.told).toBe("a+ a255");
  });
});

describe("how many", () => {
  for (const [names, most] of [
    ["a", 0],
    ["ab", 1],
    ["abc", 1],
    ["abcd", 2],
    ["abcdefg", 3],
  ] as const) {
    test(`of ${names.length} at most ${most}`, () => {
      const bench = new Bench(names);
      for (const name of names) bench.eject(name);
      expect(bench.told.split(" ").filter((text) => text !== "")).toHaveLength(
        most,
      );
    });
  }

  test("one of two is left out: the other is no half to panic about", () => {
    const bench = new Bench("ab");
    bench.eject("a");
    expect(bench.admitted).toBe("b");
  });

  test("where half are out all are tried", () => {
    const bench = new Bench("abcd");
    bench.eject("a");
    expect(bench.admitted).toBe("bcd");
    bench.eject("b");
    expect(bench.admitted).toBe("abcd");
    expect(bench.ejections.admitted(bench.list, bench.now)).toBe(bench.list);
  });

  test("two of five are no half", () => {
    const bench = new Bench("abcde");
    bench.eject("a");
    bench.eject("b");
    expect(bench.admitted).toBe("cde");
  });

  test("half of those with a service are enough for it", () => {
    const bench = new Bench("abcdefgh");
    bench.eject("a");
    bench.eject("b");
    expect(bench.admitted).toBe("cdefgh");
    bench.list = endpoints("a", "b", "c");
    expect(bench.admitted).toBe("abc");
    bench.list = endpoints("a");
    expect(bench.admitted).toBe("a");
  });

  test("where all that are left fail, too, all are tried", () => {
    const bench = new Bench("abc");
    bench.eject("a");
    bench.calls("b", "failed", 5);
    expect(bench.admitted).toBe("bc");
    bench.calls("c", "failed", 5);
    expect(bench.admitted).toBe("abc");
    bench.calls("c", "answered");
    expect(bench.admitted).toBe("bc");
    expect(bench.told).toBe("a5");
  });

  test("an answer of one that was tried so takes it in at once", () => {
    const bench = new Bench("abcd");
    bench.eject("a");
    bench.eject("b");
    bench.now += 100;
    bench.calls("a", "failed");
    bench.calls("a", "local");
    expect(bench.told).toBe("a5 b5");
    bench.calls("a", "answered");
    expect(bench.told).toBe("a+");
    expect(bench.admitted).toBe("acd");
  });

  test("one that was spared goes when there is room and it still fails", () => {
    const bench = new Bench("abc");
    bench.eject("a");
    bench.calls("b", "failed", 6);
    bench.now += 5_000;
    bench.calls("a", "answered");
    expect(bench.told).toBe("a5 a+");
    bench.calls("b", "failed");
    expect(bench.told).toBe("b5");
    expect(bench.admitted).toBe("ac");
    // Back again it counts as well once more.
    bench.now += 5_000;
    bench.calls("b", "answered");
    bench.eject("a");
    bench.calls("c", "failed", 5);
    expect(bench.admitted).toBe("bc");
  });

  test("where the list gets shorter, those that were out longest come back", () => {
    const bench = new Bench("abcdef");
    for (const name of "abc") bench.calls(name, "answered");
    for (const name of ["c", "a", "b"]) {
      bench.eject(name);
      bench.now += 1;
    }
    expect(bench.told).toBe("c5 a5 b5");
    bench.relist("abcd");
    expect(bench.told).toBe("c+");
    bench.relist("ab");
    expect(bench.told).toBe("a+");
    expect(bench.admitted).toBe("a");
  });

  test("a server that left has left its place to others, and its past", () => {
    const bench = new Bench("abc");
    bench.eject("a");
    bench.relist("bcd");
    bench.eject("b");
    bench.relist("abcd");
    expect(bench.admitted).toBe("acd");
    bench.relist("acd");
    bench.eject("a");
    expect(bench.told).toBe("a5 b5 a5");
  });
});

test("the same array gives the same array until something changes", () => {
  const bench = new Bench("abc");
  const admitted = () => bench.ejections.admitted(bench.list, bench.now);
  expect(admitted()).toBe(bench.list);
  bench.eject("a");
  const first = admitted();
  bench.now += 4_999;
  bench.calls("b", "answered");
  expect(admitted()).toBe(first);
  bench.now += 1;
  expect(admitted()).toBe(bench.list);
});

test("a list that was asked for before is looked at anew when servers leave", () => {
  const bench = new Bench("abcd");
  const { list } = bench;
  bench.eject("a");
  bench.eject("b");
  expect(bench.admitted).toBe("abcd");
  bench.relist("acd");
  bench.list = list;
  expect(bench.admitted).toBe("bcd");
});

/** Calls in turns, one each 10 ms, of servers that fail as `failureRate` says. Gives the failed ones. */
function failures(
  bench: Bench,
  random: Random,
  forMs: number,
  failureRate: (name: string) => number,
): number {
  const picker = new RoundRobinPicker(random);
  let failed = 0;
  for (const until = bench.now + forMs; bench.now < until; bench.now += 10) {
    const admitted = bench.ejections.admitted(bench.list, bench.now);
    const name = picker.pick(admitted, call).address.slice(4, 5);
    const isFailure = random() < failureRate(name);
    bench.calls(name, isFailure ? "failed" : "answered");
    if (isFailure) failed++;
  }
  return failed;
}

test("one of three that fails everything costs five calls and a probe each 5 s × n", () => {
  const bench = new Bench("abc");
  const rate = (name: string) => (name === "a" ? 1 : 0);
  expect(failures(bench, testRandom(), 60_000, rate)).toBe(9);
  expect(bench.told).toBe("a5 a10 a15 a20 a25");
});

test("one that fails one call in five is left in", () => {
  const bench = new Bench("abc");
  // Four in a row at most, whatever the seed.
  let calls = 0;
  const rate = (name: string) => (name === "a" && ++calls % 5 === 0 ? 1 : 0);
  failures(bench, testRandom(), 60_000, rate);
  expect(bench.told).toBe("");
});

test("all of three that fail everything are all tried, and all in once they are well", () => {
  const bench = new Bench("abc");
  const random = testRandom();
  failures(bench, random, 60_000, () => 1);
  expect(bench.admitted).toBe("abc");
  bench.events.length = 0;
  expect(failures(bench, random, 60_000, () => 0)).toBe(0);
  expect(bench.told).toMatch(/^[abc]\+$/);
});

test("whatever happens, never more than half are out, and what is told adds up", () => {
  const random = testRandom();
  for (let round = 0; round < 20; round++) {
    const bench = new Bench("abcdefgh");
    const out = new Set<string>();
    const inFlight: { name: string; end(outcome: CallOutcome): void }[] = [];
    const moods = new Map<string, number>();
    for (let step = 0; step < 3_000; step++) {
      bench.now += random() * 50;
      if (random() < 0.002) {
        const names = [..."abcdefgh"].filter(() => random() < 0.8).join("");
        if (names !== "") bench.relist(names);
      }
      if (random() < 0.01) {
        const name = "abcdefgh"[randomIndex(8, random)] as string;
        moods.set(name, random() < 0.5 ? 1 : random());
      }
      const admitted = bench.ejections.admitted(bench.list, bench.now);
      expect(admitted.length).toBeGreaterThanOrEqual(bench.list.length / 2);
      const at = randomIndex(admitted.length, random);
      const name = (admitted[at] as Endpoint).address.slice(4, 5);
      inFlight.push({ name, end: bench.begin(name) });
      while (inFlight.length > 0 && random() < 0.6) {
        const [over] = inFlight.splice(randomIndex(inFlight.length, random), 1);
        if (over === undefined) continue;
        const isFailure = random() < (moods.get(over.name) ?? 0);
        const isLocal = random() < 0.05;
        over.end(isLocal ? "local" : isFailure ? "failed" : "answered");
      }
      const listed = new Set(bench.list.map(({ address }) => address));
      for (const event of bench.events.splice(0)) {
        const { address } = event;
        if (event.kind === "server-returned") {
          expect(out.delete(address)).toBe(true);
        } else {
          expect(out.has(address)).toBe(event.reason === "probe-failed");
          expect(event.forMs % 5_000).toBe(0);
          expect(event.forMs).toBeGreaterThan(0);
          expect(event.forMs).toBeLessThanOrEqual(300_000);
          out.add(address);
        }
      }
      for (const address of out) if (!listed.has(address)) out.delete(address);
      expect(out.size).toBeLessThanOrEqual(Math.floor(listed.size / 2));
    }
  }
});
