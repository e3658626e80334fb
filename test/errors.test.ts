import { describe, expect, test } from "bun:test";
import { codeNumber, codeOf, codes, isCode, RpcError } from "../src/errors.ts";

test("the codes have gRPC's numbers, there and back", () => {
  expect(codes).toHaveLength(16);
  expect(codeNumber("cancelled")).toBe(1);
  expect(codeNumber("deadline_exceeded")).toBe(4);
  expect(codeNumber("unavailable")).toBe(14);
  expect(codeNumber("unauthenticated")).toBe(16);
  for (const code of codes) expect(codeOf(codeNumber(code))).toBe(code);
});

test("a number that is none is unknown", () => {
  for (const number of [0, 17, -1, NaN, 2.5]) {
    expect(codeOf(number)).toBe("unknown");
  }
});

test("isCode takes the sixteen and nothing else", () => {
  for (const code of codes) expect(isCode(code)).toBe(true);
  for (const other of ["", "OK", "canceled", "toString", 1, null, undefined]) {
    expect(isCode(other)).toBe(false);
  }
});

describe("RpcError", () => {
  test("has what it was given", () => {
    const cause = new Error("why");
    const error = new RpcError("unavailable", "gone", {
      sent: false,
      details: [1],
      cause,
    });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: "RpcError",
      code: "unavailable",
      message: "gone",
      sent: false,
      details: [1],
    });
    expect(error.cause).toBe(cause);
    expect("cause" in new RpcError("internal", "")).toBe(false);
  });

  test("as JSON it is its code, message and details, never a stack", () => {
    const plain = new RpcError("not_found", "nobody");
    expect(JSON.parse(JSON.stringify(plain))).toEqual({
      code: "not_found",
      message: "nobody",
    });
    const detailed = new RpcError("not_found", "nobody", { details: { a: 1 } });
    expect(JSON.parse(JSON.stringify(detailed))).toEqual({
      code: "not_found",
      message: "nobody",
      details: { a: 1 },
    });
  });
});

describe("RpcError.from", () => {
  test("gives back an RpcError itself", () => {
    const error = new RpcError("aborted", "no");
    expect(RpcError.from(error, "internal")).toBe(error);
  });

  test("keeps code and details of another copy's RpcError", () => {
    const foreign = Object.assign(new Error("other"), {
      name: "RpcError",
      code: "data_loss",
      details: 7,
    });
    expect(RpcError.from(foreign)).toMatchObject({
      code: "data_loss",
      message: "other",
      details: 7,
      cause: foreign,
    });
  });

  test("does not believe a code that is none", () => {
    const foreign = Object.assign(new Error("x"), {
      name: "RpcError",
      code: "ENOENT",
    });
    expect(RpcError.from(foreign).code).toBe("unknown");
  });

  test("all else is the fallback, with its message and as cause", () => {
    const thrown = new TypeError("odd");
    expect(RpcError.from(thrown)).toMatchObject({
      code: "unknown",
      message: "odd",
      cause: thrown,
    });
    expect(RpcError.from(thrown, "internal").code).toBe("internal");
  });

  test("takes whatever can be thrown", () => {
    const unprintable = {
      toString() {
        throw new Error("no");
      },
    };
    const things = [undefined, null, 1, "text", Symbol("s"), unprintable];
    for (const thing of [...things, Object.create(null)]) {
      const error = RpcError.from(thing);
      expect(error.code).toBe("unknown");
      expect(error.cause).toBe(thing);
    }
    expect(RpcError.from("text").message).toBe("text");
  });
});

describe("RpcError.from never throws", () => {
  const throwing = (target: object, name: string) =>
    Object.defineProperty(target, name, {
      get() {
        throw new Error("do not look");
      },
    });
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const things: [name: string, thrown: unknown][] = [
    ["a revoked proxy", proxy],
    ["an error whose message cannot be read", throwing(new Error(), "message")],
    ["one whose name cannot", throwing(new Error("x"), "name")],
    ["one whose code cannot", throwing(new Error("x"), "code")],
    [
      "a symbol for a message",
      Object.assign(new Error(), { message: Symbol("s") }),
    ],
    [
      "an object whose tag cannot be read",
      throwing(Object.create(null), Symbol.toStringTag as never),
    ],
  ];
  for (const [name, thrown] of things) {
    test(name, () => {
      const error = RpcError.from(thrown, "internal");
      expect(error.code).toBe("internal");
      expect(typeof error.message).toBe("string");
      expect(Object.is(error.cause, thrown)).toBe(true);
    });
  }
});

describe("RpcError.fromAbort", () => {
  test("a caller that gives up is cancelled, one whose time is over has exceeded its deadline", () => {
    const cancelled = AbortSignal.abort();
    expect(RpcError.fromAbort(cancelled)).toMatchObject({
      code: "cancelled",
      cause: cancelled.reason,
    });
    const timedOut = AbortSignal.abort(new DOMException("", "TimeoutError"));
    expect(RpcError.fromAbort(timedOut).code).toBe("deadline_exceeded");
    expect(RpcError.fromAbort(AbortSignal.abort("why")).code).toBe("cancelled");
    expect(RpcError.fromAbort(AbortSignal.abort(null)).code).toBe("cancelled");
  });

  test("an RpcError that was given as the reason is the result", () => {
    const reason = new RpcError("aborted", "stop");
    expect(RpcError.fromAbort(AbortSignal.abort(reason))).toBe(reason);
  });
});
