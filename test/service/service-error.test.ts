import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import { errorOf, failure } from "../../src/service/service-error.ts";

describe("errorOf", () => {
  test("gives back an RpcError itself", () => {
    const error = new RpcError("not_found", "nobody", { details: { id: 7 } });
    expect(errorOf(error)).toBe(error);
  });

  test("gives one of another copy of the library with its code and details", () => {
    const foreign = Object.assign(new Error("other"), {
      name: "RpcError",
      code: "not_found",
      details: { id: 7 },
    });
    const error = errorOf(foreign);
    expect(error).toBeInstanceOf(RpcError);
    expect(error).toMatchObject({
      code: "not_found",
      details: { id: 7 },
      cause: foreign,
    });
  });

  test("throws on what is no RpcError", () => {
    const odd = Object.assign(new Error("odd"), {
      name: "RpcError",
      code: "ENOENT",
    });
    const coded = Object.assign(new Error("coded"), { code: "not_found" });
    for (const thrown of [new TypeError("x"), odd, coded, "text", undefined]) {
      let rethrown: unknown = "nothing";
      try {
        errorOf(thrown);
      } catch (error) {
        rethrown = error;
      }
      expect(rethrown).toBe(thrown);
    }
  });
});

test("failure is an RpcError with what it was given", () => {
  const error = failure("not_found", "nobody", { id: 7 });
  expect(error).toBeInstanceOf(RpcError);
  expect(error).toMatchObject({
    code: "not_found",
    message: "nobody",
    details: { id: 7 },
  });
  expect(failure("aborted", "again").details).toBeUndefined();
});
