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

test("0 and no limit at all are limits", () => {
  const given = { maxDepth: 0, maxConnections: Infinity };
  expect(resolveLimits(given)).toEqual({ ...defaultLimits, ...given });
});
