import { type Heartbeat, heartbeat } from "../../src/registry/heartbeat.ts";

// A process: `registry-crowd-servers.ts url count` keeps so many servers
// registered, with heartbeats as they are by default. Says `ready` when all
// are, and at SIGTERM what became of the heartbeats since: a CrowdHeartbeats.

/** What became of the heartbeats. */
export interface CrowdHeartbeats {
  sent: number;
  failed: number;
  p50Ms: number;
  p99Ms: number;
  worstMs: number;
}

/** From one server's first one to the next's: a thousand are spread over the time between two of their own. */
const apartMs = 5;

async function main(url: string, count: number): Promise<void> {
  let tookMs: number[] = [];
  let failed = 0;
  const timed = async (input: string, init: RequestInit) => {
    const startedAt = performance.now();
    try {
      const answer = await fetch(input, init);
      tookMs.push(performance.now() - startedAt);
      if (!answer.ok) failed++;
      return answer;
    } catch (thrown) {
      failed++;
      throw thrown;
    }
  };
  const beats: Heartbeat[] = [];
  for (let i = 0; i < count; i++) {
    const address = `tcp@10.1.${i >> 8}.${i & 255}:7000`;
    const services = ["Arith", "Users", "Orders"];
    beats.push(heartbeat(url, { address, services }, { fetch: timed }));
    await Bun.sleep(apartMs);
  }
  await Promise.all(beats.map(({ firstAttempt }) => firstAttempt));
  if (!beats.every(({ isRegistered }) => isRegistered)) {
    throw new Error("not all could register");
  }
  tookMs = [];
  failed = 0;
  console.log("ready");
  // Without a timer that keeps it alive, Bun 1.4.5 turns without end.
  setInterval(() => {}, 1_000);
  await new Promise((resolve) => process.once("SIGTERM", resolve));
  tookMs.sort((one, other) => one - other);
  const quantile = (q: number) => tookMs[Math.floor(tookMs.length * q)] ?? 0;
  const result: CrowdHeartbeats = {
    sent: tookMs.length,
    failed,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
    worstMs: tookMs.at(-1) ?? 0,
  };
  console.log(JSON.stringify(result));
  process.exit();
}

const [url = "", count = "0"] = process.argv.slice(2);
await main(url, Number(count));
