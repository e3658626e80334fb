import { expect, test } from "bun:test";
import { type Endpoint, endpointList } from "../../src/discovery/discovery.ts";

test("what a server told of itself goes along, copied and frozen; nothing else does", () => {
  const services = ["Foo"];
  const full = { services, weight: 2, load: 0.25, zone: "east" };
  const list = endpointList([
    { address: "tcp@b:1", ...full, more: 1 } as never,
    { address: "tcp@a:1", services: undefined },
  ]);
  services.push("Bar");
  expect(list).toStrictEqual([
    { address: "tcp@a:1", services: undefined },
    { address: "tcp@b:1", ...full, services: ["Foo"] },
  ]);
  expect(list.every((endpoint) => Object.isFrozen(endpoint))).toBe(true);
  expect(Object.isFrozen(list)).toBe(true);
});

test("what one list has made another takes over, without a copy", () => {
  const first = endpointList([{ address: "a:1", services: ["Foo"] }]);
  const second = endpointList([{ address: "b:1", services: [] }, ...first]);
  expect(second[0]).toBe(first[0] as Endpoint);
});
