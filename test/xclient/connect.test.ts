import { expect, test } from "bun:test";
import { connect } from "../../src/xclient/connect.ts";
import { FakeRegistry, listing } from "../discovery/fake-registry.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { Fleet, foo } from "./fleet.ts";

const [a, b] = ["tcp@a:1", "tcp@b:1"] as const;

test("the registry is asked as the discovery's options say", async () => {
  const clock = new ManualClock();
  await using fleet = new Fleet(clock);
  for (const address of [a, b]) fleet.add(address, foo(address));
  const { dial } = fleet;
  const registry = new FakeRegistry(() => listing(a));
  const { fetch } = registry;
  await using xc = await connect<{ Foo: { whoami(): string } }>(
    "http://registry.test",
    { clock, dial, discovery: { fetch, refreshAfterMs: 100 } },
  );
  expect(registry.requestCount).toBe(1);
  expect(await xc.Foo.whoami()).toBe(a);
  registry.reply = () => listing(b);
  await clock.advance(121);
  await xc.Foo.whoami();
  await clock.advance(0);
  expect(await xc.Foo.whoami()).toBe(b);
  expect(registry.requestCount).toBe(2);
});

test("a registry's timeout is the one given", async () => {
  const clock = new ManualClock();
  const registry = new FakeRegistry();
  registry.hang();
  const { fetch } = registry;
  const failed = connect("http://registry.test", {
    clock,
    discovery: { fetch, timeoutMs: 70 },
  }).catch((thrown) => thrown);
  await clock.advance(70);
  expect(await failed).toMatchObject({ code: "unavailable", sent: false });
  expect(clock.timers).toBe(0);
});
