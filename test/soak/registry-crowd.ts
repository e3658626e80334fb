import { RegistryCrowd } from "../faults/registry-crowd.ts";
import { RegistryProcess } from "../faults/registry-process.ts";
import { report } from "./figures.ts";
import { cpuSeconds } from "./process.ts";

const count = 1_000;
const changeCount = 12;
/** From one change to the next. */
const everyMs = 5_000;

/** 1,000 servers that register and 1,000 who watch, at one registry, which takes a new server now and then. */
export async function registryCrowd(): Promise<void> {
  await using registry = await RegistryProcess.start();
  await using crowd = await RegistryCrowd.gather(registry, count);
  const startedAt = performance.now();
  const cpuBefore = await cpuSeconds(registry.pid);
  let slowestMs = 0;
  for (let i = 0; i < changeCount; i++) {
    slowestMs = Math.max(slowestMs, await crowd.add(`tcp@10.9.0.${i}:1`));
    await Bun.sleep(everyMs);
  }
  const cores =
    ((await cpuSeconds(registry.pid)) - cpuBefore) /
    ((performance.now() - startedAt) / 1000);
  const { sent, failed, p50Ms, p99Ms, worstMs, orders } = await crowd.ended();
  const what = `${count} servers, ${count} watchers`;
  console.log(
    `${what}: p50 of a heartbeat ${p50Ms.toFixed(2)} ms, worst ${worstMs.toFixed(2)} ms`,
  );
  const none = { atMost: 0 };
  report(`${what}: p99 of a heartbeat`, p99Ms, { atMost: 20 }, "ms");
  report(`${what}: of ${sent} heartbeats failed`, failed, none, "heartbeats");
  report(
    `${what}: the slowest of ${changeCount} changes at all`,
    slowestMs / 1000,
    { atMost: 1 },
    "s",
  );
  report(
    `${what}: orders of the changes beside one`,
    orders.length - 1,
    none,
    "orders",
  );
  report(`${what}: the registry's CPU`, cores, { atMost: 0.5 }, "cores");
}
