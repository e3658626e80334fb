import { describe, expect, test } from "bun:test";
import { serviceExports } from "../../src/cli/service-exports.ts";

class Arith {
  sum() {}
}
class Inherits extends Arith {}
class ExposesInherited extends Arith {
  static rpc = { inherited: true };
}
class NeedsArgument {
  constructor(readonly value: number) {}
  get() {}
}
class NotFound extends Error {
  more() {}
}

function names(exports: Record<string, unknown>): string[] {
  return serviceExports(exports, "dir/my-file.ts").services.map(
    ({ name }) => name,
  );
}

describe("what a file serves", () => {
  test.each<[string, Record<string, unknown>, string[]]>([
    ["a class", { Arith }, ["Arith"]],
    ["a class under its export's name", { Sums: Arith }, ["Sums"]],
    ["an object of functions", { math: { sum() {} } }, ["math"]],
    ["a class by default", { default: Arith }, ["Arith"]],
    [
      "a nameless class by default",
      {
        default: class {
          a() {}
        },
      },
      ["my-file"],
    ],
    ["an object by default", { default: { a() {} } }, ["my-file"]],
    ["an instance by default", { default: new Arith() }, ["Arith"]],
    ["the same twice", { Arith, default: Arith }, ["Arith"]],
    [
      "inherited methods where it is told so",
      { ExposesInherited },
      ["ExposesInherited"],
    ],
    [
      "several",
      { b: { x() {} }, Arith, default: { y() {} } },
      ["b", "Arith", "my-file"],
    ],
  ])("%s", (_name, exports, expected) => {
    expect(names(exports)).toEqual(expected);
  });

  test.each<[string, unknown]>([
    ["a function", () => {}],
    ["an old constructor", function Old() {}],
    ["a constant", 5],
    ["null", null],
    ["data", { port: 1 }],
    ["an empty class", class {}],
    ["a class that only inherits", Inherits],
    ["an error's class", NotFound],
    ["an error", new NotFound("")],
    ["a Map", new Map()],
    ["a promise", Promise.resolve()],
    ["a class that needs an argument", NeedsArgument],
    ["an instance", new Arith()],
    ["a built-in class", Map],
  ])("not %s", (_name, value) => {
    expect(names({ thing: value })).toEqual([]);
  });

  test("not what is private by its name", () => {
    expect(names({ _Arith: Arith })).toEqual([]);
  });
});

test("what looks like a service and is none is told", () => {
  const { leftOut } = serviceExports(
    { NeedsArgument, arith: new Arith(), map: new Map(), n: 1 },
    "a.ts",
  );
  expect(leftOut.map(({ name }) => name)).toEqual(["NeedsArgument", "arith"]);
});

test("a class is instantiated when it is made, an object is itself", () => {
  const object = { a() {} };
  const { services } = serviceExports({ Arith, object }, "a.ts");
  expect(services[0]?.make()).toBeInstanceOf(Arith);
  expect(services[1]?.make()).toBe(object);
});
