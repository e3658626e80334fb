import { expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import {
  defaultLimits,
  type Limits,
  resolveLimits,
} from "../../src/wire/limits.ts";

test("what is not given is the default, also where it is undefined", () => {
  expect(resolveLimits()).toEqual(defaultLimits);
  expect(resolveLimits({ maxDepth: 3, maxMessageBytes: undefined })).toEqual({
    ...defaultLimits,
    maxDepth: 3,
  });
  expect(resolveLimits()).not.toBe(defaultLimits);
});

test("what is no number from 0 is refused, by its name", () => {
  for (const name of Object.keys(defaultLimits)) {
    for (const value of [-1, NaN, "5", null, 5n]) {
      let thrown: unknown;
      try {
        resolveLimits({ [name]: value } as Partial<Limits>);
      } catch (error) {
        thrown = error;
      }
      // There is nothing between undefined and null that a user may mean.
      if (value === null) expect(thrown).toBeUndefined();
      else {
        expect(thrown).toMatchObject({ code: "invalid_argument" });
        expect((thrown as RpcError).message).toContain(name);
      }
    }
  }
});

test("a limit that there is not is refused, with those that there are", () => {
  let thrown: unknown;
  try {
    resolveLimits({ maxDept: 3 } as Partial<Limits>);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject({ code: "invalid_argument" });
  const { message } = thrown as RpcError;
  for (const name of Object.keys(defaultLimits)) {
    expect(message).toContain(name);
  }
});

const waitsForEver = [
  "maxMessageBytes",
  "maxRunningHandlers",
  "streamWindowBytes",
  "connectionWindowBytes",
  "maxQueuedBytes",
] as const;

test("what nothing could pass is refused; 1 is enough", () => {
  for (const name of waitsForEver) {
    expect(() => resolveLimits({ [name]: 0 })).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
    expect(resolveLimits({ [name]: 1 })[name]).toBe(1);
  }
});

test("counts are whole or without end, times need not be", () => {
  for (const name of Object.keys(defaultLimits) as (keyof Limits)[]) {
    expect(resolveLimits({ [name]: Infinity })[name]).toBe(Infinity);
    const resolve = () => resolveLimits({ [name]: 1.5 })[name];
    if (name.endsWith("Ms")) expect(resolve()).toBe(1.5);
    else {
      expect(resolve).toThrow(
        expect.objectContaining({ code: "invalid_argument" }),
      );
    }
  }
});

test("0 and no limit at all are limits", () => {
  const given = { maxDepth: 0, maxConnections: Infinity };
  expect(resolveLimits(given)).toEqual({ ...defaultLimits, ...given });
});
