import { join } from "node:path";
import { Client } from "../../src/client/client.ts";
import { burn } from "./burn.ts";
import { median, report } from "./figures.ts";
import { cpuSeconds, startServer } from "./process.ts";

/** What one call takes of a processor, as this process does it. */
const callUs = 200;
const connections = 32;
/** On each connection: sent and answered in batches, they cost this process little. */
const inFlight = 8;
const sliceMs = 1_500;
const rounds = 7;

/** A server's connections, with their calls. */
class Load {
  readonly #clients: readonly Client[];
  #calls = 0;
  #isOver = false;

  private constructor(clients: readonly Client[]) {
    this.#clients = clients;
  }

  static async dial(address: string): Promise<Load> {
    const dials = Array.from({ length: connections }, () =>
      Client.dial(address),
    );
    return new Load(await Promise.all(dials));
  }

  /** Calls per second. */
  async slice(loops: number): Promise<number> {
    this.#calls = 0;
    this.#isOver = false;
    const startedAt = performance.now();
    const callers = this.#clients.flatMap((client) =>
      Array.from({ length: inFlight }, () => this.#call(client, loops)),
    );
    await Bun.sleep(sliceMs);
    this.#isOver = true;
    const calls = this.#calls;
    const seconds = (performance.now() - startedAt) / 1_000;
    await Promise.all(callers);
    return calls / seconds;
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
  }

  async #call(client: Client, loops: number): Promise<void> {
    while (!this.#isOver) {
      await client.call("Burn.burn", loops, { timeoutMs: 30_000 });
      this.#calls++;
    }
  }
}

/** Handlers that burn the processor: what two workers serve, by what one does, in slices that alternate. */
export async function workers(): Promise<void> {
  const loops = loopsFor(callUs);
  const file = join(import.meta.dir, "burn.ts");
  await using one = startServer(file, "--workers=1");
  await using two = startServer(file, "--workers=2");
  const loads = [
    await Load.dial(await one.listening()),
    await Load.dial(await two.listening()),
  ] as const;
  for (const load of loads) await load.slice(loops);
  const ratios: number[] = [];
  let own = 0;
  for (let round = 0; round < rounds; round++) {
    const single = await loads[0].slice(loops);
    const before = await cpuSeconds(process.pid);
    const double = await loads[1].slice(loops);
    own += (await cpuSeconds(process.pid)) - before;
    ratios.push(double / single);
    console.log(
      `one worker ${Math.round(single)} calls/s, two ${Math.round(double)}`,
    );
  }
  const cores = (own * 1_000) / (rounds * sliceMs);
  console.log(`the calls themselves took ${cores.toFixed(2)} of the cores`);
  const what = `handlers of ${callUs} µs, ${connections} connections: two workers by one`;
  report(what, median(ratios), { atLeast: 1.7 }, "times");
  await Promise.all(loads.map((load) => load.close()));
}

/** How many rounds burn for so long, as the best of several tries tells. */
function loopsFor(us: number): number {
  const tried = 1_000_000;
  let bestUs = Infinity;
  for (let round = 0; round < 50; round++) {
    const startedAt = performance.now();
    burn(tried);
    bestUs = Math.min(bestUs, (performance.now() - startedAt) * 1_000);
  }
  return Math.round((tried * us) / bestUs);
}
