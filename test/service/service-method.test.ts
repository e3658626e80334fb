import { expect, test } from "bun:test";
import { splitServiceMethod } from "../../src/service/service-method.ts";

test("a name is split at its last dot", () => {
  expect(splitServiceMethod("Foo.Sum")).toEqual({
    service: "Foo",
    method: "Sum",
  });
  expect(splitServiceMethod("a.b.c")).toEqual({ service: "a.b", method: "c" });
  expect(splitServiceMethod("Foo.")).toEqual({ service: "Foo", method: "" });
});

test("a name without a service is ill-formed", () => {
  for (const name of ["", "sum", ".sum", "."]) {
    expect(splitServiceMethod(name)).toBeUndefined();
  }
});
