import { expect, test } from "bun:test";
import { RegistryCrowd } from "./registry-crowd.ts";
import { RegistryProcess } from "./registry-process.ts";

test("of many watchers each is told each change once, in order, while many servers register", async () => {
  await using registry = await RegistryProcess.start();
  await using crowd = await RegistryCrowd.gather(registry, 100);
  const addresses = Array.from({ length: 5 }, (_, i) => `tcp@10.9.0.${i}:1`);
  for (const address of addresses) await crowd.add(address);
  const { failed, orders } = await crowd.ended();
  expect(failed).toBe(0);
  expect(orders).toEqual([addresses.map((address) => `+${address}`)]);
  expect(await registry.listed()).toHaveLength(105);
}, 30_000);
