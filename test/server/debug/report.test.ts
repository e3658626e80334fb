import { expect, test } from "bun:test";
import { debugReport } from "../../../src/server/debug/report.ts";
import { Method } from "../../../src/service/method.ts";

const server = {
  state: "serving",
  uptimeMs: 0,
  connections: 0,
  addresses: [],
  pid: 1,
} as const;

test("services and methods of any name are its own keys", () => {
  const names = ["__proto__", "constructor", "plain"];
  const methods = new Map(
    names.map((service) => [
      service,
      names.map((name) => new Method(`${service}.${name}`, {}, () => 1)),
    ]),
  );
  const { services } = debugReport(methods, { ...server, addresses: [] });
  expect(Object.keys(services)).toEqual(names);
  for (const service of names) {
    const list = Object.getOwnPropertyDescriptor(services, service)?.value;
    expect(Object.keys(list)).toEqual(names);
  }
  expect(Object.getPrototypeOf(services)).toBe(Object.prototype);
  expect(JSON.parse(JSON.stringify(services))).toEqual(services);
});
