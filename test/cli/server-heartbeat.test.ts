import { expect, test } from "bun:test";
import { serverHeartbeat } from "../../src/cli/server-heartbeat.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** A registry that says yes, and the description of each beat. */
function openRegistry() {
  const beats: unknown[] = [];
  const waiting: (() => void)[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      if (request.method === "POST") beats.push(await request.json());
      waiting.shift()?.();
      return new Response();
    },
  });
  return {
    beats,
    url: server.url.href,
    heard: () => new Promise<void>((resolve) => waiting.push(resolve)),
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

test.each([
  [true, expect.any(Number)],
  [false, undefined],
])("with --report-load %p a beat tells %p as the load", async (isOn, load) => {
  await using registry = openRegistry();
  const clock = new ManualClock();
  const heart = serverHeartbeat(
    {
      registry: [registry.url],
      registryTokenFile: undefined,
      advertise: undefined,
      reportLoad: isOn,
    },
    "tcp@127.0.0.1:4000",
    { services: ["Foo"] },
    () => {},
    clock,
  );
  await heart?.firstAttempt;
  const second = registry.heard();
  await clock.advance(5_500);
  await second;
  expect(registry.beats).toEqual([
    { services: ["Foo"] },
    { services: ["Foo"], ...(isOn && { load }) },
  ]);
  await heart?.close();
  expect(clock.timers).toBe(0);
});

test("without a registry there are no beats", () => {
  const heart = serverHeartbeat(
    {
      registry: undefined,
      registryTokenFile: undefined,
      advertise: undefined,
      reportLoad: true,
    },
    "tcp@127.0.0.1:4000",
    {},
    () => {},
  );
  expect(heart).toBeUndefined();
});
