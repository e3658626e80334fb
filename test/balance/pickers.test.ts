import { describe, expect, test } from "bun:test";
import type { CallOutcome } from "../../src/balance/picker.ts";
import { RandomPicker } from "../../src/balance/random.ts";
import { RoundRobinPicker } from "../../src/balance/round-robin.ts";
import {
  createPicker,
  registerPicker,
  selectModes,
} from "../../src/balance/select-mode.ts";
import type { Endpoint } from "../../src/discovery/discovery.ts";
import { randomIndex, seeded } from "../../src/base/random.ts";
import { seed, testRandom } from "../support/seed.ts";
import { call, endpoints, listOf, picks, server, shares } from "./endpoints.ts";

const outcomes: CallOutcome[] = ["answered", "failed", "local"];
const modes = [
  "random",
  "round-robin",
  "weighted",
  "least-loaded",
  "consistent-hash",
  "zone",
];

for (const mode of modes) {
  describe(`every picker: ${mode}`, () => {
    test("nobody to pick is unavailable, and the call was not sent", () => {
      expect(() => createPicker(mode, testRandom()).pick([], call)).toThrow(
        expect.objectContaining({ code: "unavailable", sent: false }),
      );
    });

    test("a single endpoint is picked", () => {
      const list = endpoints("a");
      const picker = createPicker(mode, testRandom());
      expect(picker.pick(list, call)).toBe(list[0] as Endpoint);
      expect(picker.pick(list, call)).toBe(list[0] as Endpoint);
    });

    test("one seed gives one sequence", () => {
      const list = endpoints("a", "b", "c", "d", "e");
      const run = () => picks(createPicker(mode, seeded(seed)), list, 50);
      expect(run()).toEqual(run());
      expect(shares(run()).size).toBeGreaterThan(1);
    });

    test("whatever comes, goes, answers or fails, one of the list is picked", () => {
      const random = testRandom();
      const names = ["a", "b", "c", "d", "e", "f"];
      const picker = createPicker(mode, random, "east");
      const inFlight: Endpoint[] = [];
      for (let now = 0; now < 2_000; now++) {
        const listed = names.filter(() => random() < 0.7);
        const list = listOf(
          ["g", ...listed].map((name) =>
            server(name, {
              weight: random() * 10,
              load: random(),
              zone: random() < 0.5 ? "east" : "west",
            }),
          ),
        );
        picker.retain?.(new Set(list.map(({ address }) => address)));
        for (let attempt = 0; attempt < 3; attempt++) {
          const key = random() < 0.5 ? undefined : String(random());
          const endpoint = picker.pick(list, { ...call, key, listed: list });
          expect(list).toContain(endpoint);
          picker.started?.(endpoint, now);
          inFlight.push(endpoint);
        }
        while (inFlight.length > 0 && random() < 0.75) {
          const at = randomIndex(inFlight.length, random);
          const [ended] = inFlight.splice(at, 1) as [Endpoint];
          const outcome = outcomes[randomIndex(3, random)] as CallOutcome;
          const latencyMs = random() < 0.1 ? undefined : random() * 100;
          picker.ended?.(ended, outcome, latencyMs, now);
        }
      }
    });
  });
}

describe("random", () => {
  test("draws each endpoint about as often", () => {
    const picker = new RandomPicker(testRandom());
    const counts = shares(picks(picker, endpoints("a", "b", "c", "d"), 4_000));
    expect(counts.size).toBe(4);
    // Six standard deviations around 1,000.
    for (const count of counts.values()) {
      expect(Math.abs(count - 1_000)).toBeLessThan(165);
    }
  });

  test("draws nothing for a single endpoint", () => {
    let draws = 0;
    const picker = new RandomPicker(() => {
      draws++;
      return 0;
    });
    picker.pick(endpoints("a"), call);
    expect(draws).toBe(0);
    picker.pick(endpoints("a", "b"), call);
    expect(draws).toBe(1);
  });
});

describe("round-robin", () => {
  test("takes the endpoints in turns, in their order", () => {
    const picker = new RoundRobinPicker(() => 0.5);
    expect(picks(picker, endpoints("a", "b", "c"), 5)).toEqual([
      "tcp@b:1",
      "tcp@c:1",
      "tcp@a:1",
      "tcp@b:1",
      "tcp@c:1",
    ]);
  });

  test("starts at a random place", () => {
    const random = testRandom();
    const list = endpoints("a", "b", "c", "d");
    const firsts = shares(
      Array.from(
        { length: 200 },
        () => new RoundRobinPicker(random).pick(list, call).address,
      ),
    );
    expect(firsts.size).toBe(4);
  });

  test("shares differ by one at most", () => {
    const picker = new RoundRobinPicker(testRandom());
    const counts = shares(picks(picker, endpoints("a", "b", "c"), 100));
    expect([...counts.values()].sort()).toEqual([33, 33, 34]);
  });

  test("a server that comes or goes neither skips nor repeats the others", () => {
    const random = testRandom();
    const picker = new RoundRobinPicker(random);
    const staying = ["b", "d", "f"];
    const passing = ["a", "c", "e", "g"];
    const counts = new Map(staying.map((name) => [`tcp@${name}:1`, 0]));
    for (let i = 0; i < 1_000; i++) {
      const visitors = passing.filter(() => random() < 0.5);
      const { address } = picker.pick(endpoints(...staying, ...visitors), call);
      const count = counts.get(address);
      if (count !== undefined) counts.set(address, count + 1);
      const values = [...counts.values()];
      expect(Math.max(...values) - Math.min(...values)).toBeLessThan(2);
    }
    expect(Math.min(...counts.values())).toBeGreaterThan(100);
  });

  test("methods called in turns are each spread over all servers", () => {
    const picker = new RoundRobinPicker(testRandom());
    const list = endpoints("a", "b");
    const dear: string[] = [];
    for (let i = 0; i < 10; i++) {
      dear.push(picker.pick(list, { serviceMethod: "Foo.Dear" }).address);
      picker.pick(list, { serviceMethod: "Foo.Cheap" });
    }
    expect([...shares(dear).values()]).toEqual([5, 5]);
  });

  test("a service that only some servers have does not disturb the others' turns", () => {
    const picker = new RoundRobinPicker(testRandom());
    const everybody = endpoints("a", "b", "c");
    const onlyLast = endpoints("c");
    const everywhere: string[] = [];
    for (let i = 0; i < 9; i++) {
      everywhere.push(picker.pick(everybody, call).address);
      picker.pick(onlyLast, { serviceMethod: "Rare.Get" });
    }
    expect([...shares(everywhere).values()]).toEqual([3, 3, 3]);
  });

  test("more methods than it has places for are picked for, too", () => {
    const random = testRandom();
    let draws = 0;
    const picker = new RoundRobinPicker(() => {
      draws++;
      return random();
    });
    const list = endpoints("a", "b", "c");
    const pickFor = (method: number) =>
      picker.pick(list, { serviceMethod: `Foo.m${method}` });
    for (let method = 0; method < 1_024; method++) pickFor(method);
    pickFor(1_023);
    expect(draws).toBe(1_024);
    pickFor(1_024);
    // The oldest gave way: it starts anew, at a place drawn anew.
    pickFor(0);
    expect(draws).toBe(1_026);
  });
});

describe("select modes", () => {
  test("are listed, sorted", () => {
    expect(selectModes()).toEqual(expect.arrayContaining(modes));
    expect(selectModes()).toEqual([...selectModes()].sort());
  });

  test("an unknown one is an invalid argument", () => {
    for (const name of ["", "Random", "toString", "nearest"]) {
      expect(() => createPicker(name)).toThrow(
        expect.objectContaining({ code: "invalid_argument" }),
      );
    }
  });

  test("users add their own, each name once", () => {
    const name = `last-${randomIndex(2 ** 31, Math.random)}`;
    const factory = () => ({
      pick: (list: readonly Endpoint[]) => list.at(-1) as Endpoint,
    });
    registerPicker(name, factory);
    expect(selectModes()).toContain(name);
    const list = endpoints("a", "b");
    expect(createPicker(name).pick(list, call)).toBe(list[1] as Endpoint);
    for (const taken of [name, "random"]) {
      expect(() => registerPicker(taken, factory)).toThrow(
        expect.objectContaining({ code: "already_exists" }),
      );
    }
    expect(() => registerPicker("", factory)).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  });

  test("a picker gets the client's zone", () => {
    const west = server("b", { zone: "west" });
    const list = [server("a", { zone: "east" }), west];
    const near = createPicker("zone", () => 0, "west");
    expect(near.pick(list, call)).toBe(west);
  });

  test("those that look at no outcome ask for none", () => {
    for (const mode of modes) {
      const { started, ended } = createPicker(mode);
      const asks = mode === "least-loaded";
      expect([started !== undefined, ended !== undefined]).toEqual([
        asks,
        asks,
      ]);
    }
  });

  test("a picker gets the client's own source of chance", () => {
    const list = endpoints("a", "b");
    const last = createPicker("random", () => 0.99);
    expect(last.pick(list, call)).toBe(list[1] as Endpoint);
  });
});
