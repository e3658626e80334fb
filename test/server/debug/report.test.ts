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

test("a method's adaptive limit is there where it has one", () => {
  const plain = new Method("Foo.plain", {}, () => 1);
  const limiting = { tolerance: 2, minRunning: 1 };
  const limited = new Method("Foo.limited", {}, () => 1, {}, limiting);
  const methods = new Map([["Foo", [plain, limited]]]);
  const report = () => {
    const { services } = debugReport(methods, { ...server, addresses: [] });
    return services["Foo"] ?? {};
  };
  expect(report()["plain"]).not.toHaveProperty("adaptiveLimit");
  expect(report()["plain"]).not.toHaveProperty("refusals");
  expect(report()["limited"]).toMatchObject({
    adaptiveLimit: null,
    refusals: 0,
  });
});

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
