import { expect, test } from "bun:test";
import { endpointList } from "../../src/discovery/discovery.ts";

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
