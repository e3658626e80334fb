import { join } from "node:path";
import { Foo } from "../../src/cli/demo-service.ts";
import type { OnEvent } from "../../src/events.ts";
import { heartbeat } from "../../src/registry/heartbeat.ts";
import { Server } from "../../src/server/server.ts";
import { Program } from "../support/geerpc.ts";

const main = join(import.meta.dir, "../../src/main.ts");

/** How often servers and clients ask a registry, and how long they wait for it. */
export interface Pace {
  readonly heartbeatMs: number;
  readonly ttlMs: number;
  /** Of a heartbeat and of a list. */
  readonly timeoutMs: number;
  readonly refreshAfterMs: number;
}

/** So that a test is short. */
export const quickPace: Pace = {
  heartbeatMs: 200,
  ttlMs: 1_000,
  timeoutMs: 300,
  refreshAfterMs: 200,
};

/** A server of Foo that registers. */
export interface RegisteredServer extends AsyncDisposable {
  readonly address: string;
}

/** In this process, at a pace of its own. */
export async function serveHere(
  registries: readonly string[],
  { heartbeatMs: intervalMs, ttlMs, timeoutMs }: Pace,
  onEvent: OnEvent,
): Promise<RegisteredServer> {
  const server = new Server();
  let address = "";
  server.register(new Foo(() => address), "Foo");
  address = await server.listen();
  const beat = heartbeat(
    registries,
    { address, services: server.services },
    { intervalMs, ttlMs, timeoutMs, onEvent },
  );
  await beat.firstAttempt;
  return {
    address,
    async [Symbol.asyncDispose]() {
      await beat.close();
      await server.close();
    },
  };
}

/** `geerpc server` as it is by default. */
export async function serveApart(
  registries: readonly string[],
): Promise<RegisteredServer> {
  const program = new Program(
    [process.execPath, main, "server", "--registry", registries.join()],
    { cwd: import.meta.dir },
  );
  return {
    address: await program.listening(),
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}
