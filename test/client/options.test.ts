import { expect, test } from "bun:test";
import { resolveOptions } from "../../src/client/options.ts";
import { checkTimeout } from "../../src/service/call-options.ts";
import { defaultLimits } from "../../src/wire/limits.ts";

test("defaults are filled in, and what was given stays", () => {
  expect(resolveOptions({})).toMatchObject({
    codec: "application/x-geerpc",
    connectTimeoutMs: 10_000,
    callTimeoutMs: 5_000,
    handleTimeoutMs: 0,
    bodies: [],
    limits: defaultLimits,
    signal: undefined,
  });
  expect(
    resolveOptions({ callTimeoutMs: 0, limits: { maxDepth: 3 } }),
  ).toMatchObject({
    callTimeoutMs: 0,
    limits: { ...defaultLimits, maxDepth: 3 },
  });
});

test("a timeout is a number from 0; Infinity is one", () => {
  for (const timeoutMs of [0, 0.5, 1e12, Infinity]) {
    expect(() => checkTimeout("timeoutMs", timeoutMs)).not.toThrow();
  }
  const none = ["", "5", null, {}, true, 5n] as unknown as number[];
  for (const timeoutMs of [-1, NaN, -Infinity, ...none]) {
    expect(() => checkTimeout("timeoutMs", timeoutMs)).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  }
});
