import { expect, test } from "bun:test";
import { RegistryFleet } from "./registry-fleet.ts";
import { RegistryProcess } from "./registry-process.ts";
import { quickPace } from "./registry-servers.ts";

test("servers and clients of several registries go on to the next, and back to the first", async () => {
  await using cleanup = new AsyncDisposableStack();
  const start = async () => cleanup.use(await RegistryProcess.start());
  const [first, second, third] = [await start(), await start(), await start()];
  await using fleet = await RegistryFleet.open(
    [first, second, third],
    quickPace,
  );
  expect(await first.listed()).toEqual(fleet.addresses);
  // They were not needed.
  expect(await second.listed()).toEqual([]);
  expect(await third.listed()).toEqual([]);
  await first.kill();
  await fleet.listedBy(second);
  // Callers learn of it there.
  await fleet.grow();
  await fleet.load.answeredBy(fleet.addresses);
  second.stop();
  await fleet.listedBy(third);
  await fleet.grow();
  await fleet.load.answeredBy(fleet.addresses);
  second.continue();
  await first.restart();
  await fleet.listedBy(first);
  await fleet.load.answeredBy(fleet.addresses);
  expect(fleet.load.failures).toEqual([]);
}, 30_000);
