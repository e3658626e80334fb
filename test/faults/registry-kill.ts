import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Random, randomIndex } from "../../src/base/random.ts";
import { RegistryProcess } from "./registry-process.ts";

/** What was answered, over all kills, and what of it was not so after one. */
export interface KillLedger {
  acknowledgedCount: number;
  /** Requests that a kill cut off. */
  cutCount: number;
  /** Acknowledged, and not listed by the next one. */
  lost: string[];
  /** Taken out, acknowledged, and listed by the next one. */
  risen: string[];
}

const laneCount = 16;
const mostAnswers = 60;

/**
 * Kills a registry with a folder `rounds` times, each time while it registers
 * and deregisters, some requests at a time, and begins it again.
 */
export async function killRegistry(
  rounds: number,
  random: Random,
): Promise<KillLedger> {
  const folder = await mkdtemp(join(tmpdir(), "geerpc-kill-"));
  try {
    await using registry = await RegistryProcess.start(["--data", folder]);
    const listed = new Set<string>();
    const gone = new Set<string>();
    const lost = new Set<string>();
    const risen = new Set<string>();
    let cutCount = 0;
    for (let round = 0; round < rounds; round++) {
      const killAfter = 1 + randomIndex(mostAnswers, random);
      let answers = 0;
      let killed: Promise<void> | undefined;
      const ask = async (lane: number) => {
        for (let i = 0; ; i++) {
          const address = `tcp@10.${round}.${lane}.${i}:1`;
          if ((await registry.register(address)) !== 200) break;
          listed.add(address);
          if (i % 3 === 0) {
            // Whether one that is not answered was taken out is not known.
            listed.delete(address);
            if ((await deregister(registry, address)) !== 200) break;
            gone.add(address);
          }
          if (++answers === killAfter) killed = registry.kill();
        }
        cutCount++;
      };
      await Promise.all(Array.from({ length: laneCount }, (_, i) => ask(i)));
      await killed;
      await registry.restart();
      const now = new Set(await registry.listed());
      for (const one of listed) if (!now.has(one)) lost.add(one);
      for (const one of gone) if (now.has(one)) risen.add(one);
    }
    const acknowledgedCount = listed.size + gone.size;
    return { acknowledgedCount, cutCount, lost: [...lost], risen: [...risen] };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function deregister(
  { url }: RegistryProcess,
  address: string,
): Promise<number> {
  const headers = { "X-Geerpc-Server": address };
  const init = { method: "DELETE", headers, keepalive: false };
  const answer = await fetch(url, init).catch(() => undefined);
  return answer?.status ?? NaN;
}
