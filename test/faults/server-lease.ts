import type { Program } from "../support/geerpc.ts";
import { startGeerpc } from "./fleet.ts";

/** From one look at the list to the next. */
const lookMs = 20;

export interface Leases {
  /** From the end of each dead server's lease until it was seen to be gone, in ms: below zero is too early. */
  goneAfterMs: number[];
  /** Looks at the list at which the one that lives was missing. */
  missed: number;
}

/**
 * Registers servers, kills all but one of them, one after the other, and looks
 * at the registry's list until they are gone. A lease ends its TTL after the
 * last heartbeat that the registry has answered, as it says itself.
 *
 * @param start starts a server that registers at this URL
 */
export async function endLeases(
  start: (registry: string) => Program,
  count: number,
): Promise<Leases> {
  await using programs = new AsyncDisposableStack();
  const registry = programs.use(
    startGeerpc(["registry", "--listen=127.0.0.1:0"]),
  );
  const url = await registry.listening();
  const survivor = programs.use(start(url));
  const address = await survivor.listening();
  /** The instant at which the lease of each dead server ends, at the earliest. */
  const endsAt = new Map<string, number>();
  for (let number = 0; number < count; number++) {
    const server = programs.use(start(url));
    const dying = await server.listening();
    server.signal("SIGKILL");
    await server.exited;
    const askedAt = performance.now();
    const left = (await expiries(url)).get(dying) ?? NaN;
    endsAt.set(dying, askedAt + left);
  }
  const goneAfterMs: number[] = [];
  let missed = 0;
  while (endsAt.size > 0) {
    const listed = await expiries(url);
    const now = performance.now();
    if (!listed.has(address)) missed++;
    for (const [dead, at] of endsAt) {
      if (listed.has(dead)) continue;
      endsAt.delete(dead);
      goneAfterMs.push(now - at);
    }
    await Bun.sleep(lookMs);
  }
  return { goneAfterMs, missed };
}

/** How long the lease of each server runs, by address, in ms. */
async function expiries(url: string): Promise<Map<string, number>> {
  const answer = await fetch(url, { headers: { Accept: "application/json" } });
  const { servers } = (await answer.json()) as {
    servers: { address: string; expiresInMs: number }[];
  };
  return new Map(
    servers.map(({ address, expiresInMs }) => [address, expiresInMs]),
  );
}
