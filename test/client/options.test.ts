import { expect, test } from "bun:test";
import { resolveOptions } from "../../src/client/options.ts";
import type { Interceptor } from "../../src/service/interceptor.ts";
import { checkTimeout } from "../../src/service/call-options.ts";
import { defaultLimits } from "../../src/wire/limits.ts";

test("defaults are filled in, and what was given stays", () => {
  expect(resolveOptions({})).toMatchObject({
    codec: "application/x-geerpc",
    connectTimeoutMs: 10_000,
    callTimeoutMs: 5_000,
    handleTimeoutMs: 0,
    bodies: [],
    services: {},
    compression: undefined,
    keepAlive: { busyMs: 10_000, idleMs: 30_000, timeoutMs: 5_000 },
    interceptors: [],
    limits: defaultLimits,
    signal: undefined,
  });
  expect(
    resolveOptions({
      callTimeoutMs: 0,
      keepAlive: { idleMs: 0 },
      compression: true,
      limits: { maxDepth: 3 },
    }),
  ).toMatchObject({
    callTimeoutMs: 0,
    keepAlive: { busyMs: 10_000, idleMs: 0, timeoutMs: 5_000 },
    compression: { minBytes: 1_024 },
    limits: { ...defaultLimits, maxDepth: 3 },
  });
});

const pass: Interceptor = (call, next) => next(call);

test("interceptors are a list of functions; those of calls that are served are the same where nothing is said", () => {
  expect(resolveOptions({ interceptors: [pass] })).toMatchObject({
    interceptors: [pass],
    servedInterceptors: [pass],
  });
  expect(
    resolveOptions({ interceptors: [], servedInterceptors: [pass] }),
  ).toMatchObject({ interceptors: [], servedInterceptors: [pass] });
  for (const wrong of [pass, [undefined], "pass", {}, [[pass]]]) {
    const list = wrong as unknown as Interceptor[];
    for (const options of [
      { interceptors: list },
      { interceptors: list, servedInterceptors: [] },
      { servedInterceptors: list },
    ]) {
      expect(() => resolveOptions(options)).toThrow(
        expect.objectContaining({ code: "invalid_argument" }),
      );
    }
  }
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
