import { describe, expect, test } from "bun:test";
import { ConsistentHashPicker } from "../../src/balance/consistent-hash.ts";
import { hash32 } from "../../src/balance/hash.ts";
import { randomIndex } from "../../src/base/random.ts";
import type { Endpoint } from "../../src/discovery/discovery.ts";
import { testRandom } from "../support/seed.ts";
import { call, endpoints, listOf, picks, server, shares } from "./endpoints.ts";

const keyCount = 10_000;

/** Kinds of keys that a weak hash spreads badly. */
const kinds: [string, (index: number) => string][] = [
  ["numbers", (index) => String(index)],
  ["names with a number", (index) => `customer-${index}`],
  ["numbers in front", (index) => `${index}/orders/of/this/year`],
  ["one character", (index) => String.fromCharCode(index)],
  ["addresses", (index) => `tcp@10.0.${index >> 8}.${index & 255}:4000`],
  ["one bit in many", (index) => "\u0000".repeat(index & 15) + (index >> 4)],
];

/** Servers that differ by their ports alone. */
function ports(count: number): readonly Endpoint[] {
  return listOf(
    Array.from({ length: count }, (_, index) => ({
      address: `tcp@127.0.0.1:${4_000 + index}`,
      services: undefined,
    })),
  );
}

function pickerOf(list: readonly Endpoint[]): (key: string) => string {
  const picker = new ConsistentHashPicker(testRandom());
  return (key) => picker.pick(list, { ...call, key }).address;
}

test("a key goes to one server, whatever the client and its chance", () => {
  const list = ports(10);
  const one = pickerOf(list);
  const other = new ConsistentHashPicker(() => 0.9);
  for (let index = 0; index < 200; index++) {
    const key = `k${index}`;
    const picked = one(key);
    expect(one(key)).toBe(picked);
    const copy = list.map((endpoint) => ({ ...endpoint, weight: 9 }));
    expect(other.pick(copy, { ...call, key }).address).toBe(picked);
  }
});

test("clients of other versions send it there, too", () => {
  const pick = pickerOf(endpoints("a", "b", "c"));
  const keys = Array.from({ length: 20 }, (_, index) => `customer-${index}`);
  const names = ["", "é", ...keys].map((key) => pick(key).slice(4, 5));
  expect(names.join("")).toMatchInlineSnapshot(`"cbbbbcbcbbcbcaacbaaacb"`);
});

for (const [name, keyAt] of kinds) {
  describe(`keys that are ${name}`, () => {
    for (const serverCount of [3, 10, 50]) {
      test(`are spread over ${serverCount} servers as chance would`, () => {
        const list = ports(serverCount);
        const keys = Array.from({ length: keyCount }, (_, at) => keyAt(at));
        const counts = shares(keys.map(pickerOf(list)));
        const even = keyCount / serverCount;
        // Five standard deviations of a binomial share.
        const most = 5 * Math.sqrt(even * (1 - 1 / serverCount));
        let squares = 0;
        for (const { address } of list) {
          const off = (counts.get(address) ?? 0) - even;
          expect(Math.abs(off)).toBeLessThan(most);
          squares += off ** 2 / even;
        }
        // Chi-square: its mean is the degrees of freedom, its variance twice that.
        const freedom = serverCount - 1;
        expect(squares).toBeLessThan(freedom + 5 * Math.sqrt(2 * freedom));
      });
    }
  });
}

test("a server that leaves moves its own keys and no others, to all that stay", () => {
  const random = testRandom();
  for (const serverCount of [2, 3, 10, 50]) {
    const before = ports(serverCount);
    const gone = before[randomIndex(serverCount, random)] as Endpoint;
    const after = before.filter((endpoint) => endpoint !== gone);
    const [pickBefore, pickAfter] = [pickerOf(before), pickerOf(after)];
    const heirs = new Set<string>();
    let moved = 0;
    for (let index = 0; index < keyCount; index++) {
      const key = `customer-${index}`;
      const was = pickBefore(key);
      const is = pickAfter(key);
      if (was === gone.address) {
        moved++;
        heirs.add(is);
      } else {
        expect(is).toBe(was);
      }
    }
    expect(moved).toBeGreaterThan(0);
    // Of 50 servers each had 200 keys or so: some heir may have got none.
    expect(heirs.size).toBeGreaterThan((serverCount - 1) * 0.75);
  }
});

test("two addresses with one hash share the keys of one", () => {
  const byHash = new Map<number, Endpoint>();
  let pair: Endpoint[] = [];
  for (let index = 0; pair.length === 0; index++) {
    const endpoint = server(`host-${index}`);
    const hash = hash32(endpoint.address, 0x9e3779b9);
    const known = byHash.get(hash);
    if (known !== undefined) pair = [known, endpoint];
    byHash.set(hash, endpoint);
  }
  const pick = pickerOf(listOf([...pair, server("other")]));
  const keys = Array.from({ length: keyCount }, (_, index) => `k${index}`);
  const counts = shares(keys.map(pick));
  for (const { address } of pair) {
    expect(Math.abs((counts.get(address) ?? 0) - 2_500)).toBeLessThan(250);
  }
});

test("addresses are hashed once for each array", () => {
  let looks = 0;
  const list = ["a", "b"].map((name) => ({
    services: undefined,
    get address() {
      looks++;
      return `tcp@${name}:1`;
    },
  }));
  const picker = new ConsistentHashPicker(testRandom());
  for (let index = 0; index < 5; index++) {
    picker.pick(list, { ...call, key: String(index) });
  }
  expect(looks).toBe(2);
});

test("a call without a key goes anywhere", () => {
  const picker = new ConsistentHashPicker(testRandom());
  const counts = shares(picks(picker, endpoints("a", "b", "c"), 300));
  expect(counts.size).toBe(3);
  for (const count of counts.values()) expect(count).toBeGreaterThan(50);
});
