import { expect, test } from "bun:test";
import { EtcdEndpoints } from "../../src/registry/etcd-endpoints.ts";
import { EtcdMirror } from "../../src/registry/etcd-mirror.ts";
import { FakeEtcd, prefix } from "../discovery/fake-etcd.ts";
import { ManualClock } from "../support/manual-clock.ts";

function setUp() {
  const etcd = new FakeEtcd();
  const clock = new ManualClock();
  const { fetch } = etcd;
  const endpoints = new EtcdEndpoints({
    endpoints: ["http://x"],
    clock,
    fetch,
  });
  const told: string[] = [];
  const start = () =>
    new EtcdMirror(endpoints, `${prefix}/`, {
      onState: (keyValues) => void told.push(`state of ${keyValues.length}`),
      onEvents: (events) => void told.push(`${events.length} changed`),
    });
  return { etcd, clock, told, start };
}

test("tells the state, then what changes", async () => {
  const { etcd, clock, told, start } = setUp();
  etcd.register("tcp@h:1");
  const mirror = start();
  await clock.advance(0);
  etcd.register("tcp@h:2");
  await clock.advance(0);
  expect(told).toEqual(["state of 1", "1 changed"]);
  mirror.close();
  await clock.advance(0);
  expect(clock.timers).toBe(0);
  expect(etcd.open.size).toBe(0);
});

test.each([
  ["forgets at once what it has just told", { compact_revision: "9" }],
  ["stands behind what it has just told", { created: true }],
])("an etcd that %s is asked four times a second", async (_, result) => {
  const { etcd, clock, start } = setUp();
  etcd.register("tcp@h:1");
  etcd.answers.watch = () =>
    new Response(`${JSON.stringify({ result: { header: {}, ...result } })}\n`);
  const mirror = start();
  await clock.advance(2_000);
  expect(etcd.asked.length).toBeWithin(10, 20);
  mirror.close();
});

test("an etcd that says it was cancelled is asked four times a second", async () => {
  const { etcd, clock, start } = setUp();
  etcd.answers.range = () => Response.json({ code: 1 }, { status: 400 });
  const mirror = start();
  await clock.advance(2_000);
  expect(etcd.asked.length).toBeWithin(5, 11);
  mirror.close();
});
