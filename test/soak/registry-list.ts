import { RegistryFleet } from "../faults/registry-fleet.ts";
import { RegistryProcess } from "../faults/registry-process.ts";
import { report } from "./figures.ts";

const faultMs = 30_000;
/** The longest from one heartbeat to the next, and two seconds. */
const beatSeconds = 7.5;
/** How long a heartbeat waits for a registry that hangs. */
const timeoutSeconds = 2;

/** Three registries that do not know each other, the first killed, the second stopped: servers and clients go on to the next. */
export async function registryList(): Promise<void> {
  await using cleanup = new AsyncDisposableStack();
  const start = async () => cleanup.use(await RegistryProcess.start());
  const [first, second, third] = [await start(), await start(), await start()];
  await using fleet = await RegistryFleet.open([first, second, third]);
  await fleet.load.answeredBy(fleet.addresses);
  const moved = async (registry: RegistryProcess, atMost: number) => {
    const ms = await fleet.listedBy(registry);
    const which = registry === first ? "the first" : "the next";
    report(`all servers at ${which} after`, ms / 1000, { atMost }, "s");
    await Bun.sleep(faultMs - ms);
    await fleet.load.answeredBy(fleet.addresses);
  };
  await first.kill();
  await moved(second, beatSeconds);
  second.stop();
  await moved(third, beatSeconds + timeoutSeconds);
  second.continue();
  await first.restart();
  await moved(first, beatSeconds);
  const { answeredCount, failures } = fleet.load;
  report(
    `a list of registries: of ${answeredCount} calls failed`,
    failures.length,
    { atMost: 0 },
    "calls",
  );
}
