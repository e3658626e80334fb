import { connect } from "../../src/xclient/connect.ts";
import type { XClient } from "../../src/xclient/xclient.ts";
import { startGeerpc } from "./fleet.ts";

/** An address of the loopback that no dial uses as its own, so that the port stays free while nobody listens there. */
const host = "127.0.0.2";
const windowMs = 100;
/** From a client's call to its next one, ± half of it: after as long again, each has noticed that the server is away. */
const pauseMs = 200;
const tickMs = 10;

export interface Return {
  /** Connections that clients have made anew. */
  reconnects: number;
  /** The largest part of them within 100 ms, 0 to 1. */
  mostAtOnce: number;
  /** Calls that failed and were not under way when the server was lost. */
  unsent: number;
  /** From the end of the server until the last client was back, in ms. */
  backAfterMs: number;
  /** For how long this process stood still meanwhile, at most: what happens then is seen at one instant. */
  longestStallMs: number;
}

/**
 * So many clients call the only server all the time, which ends by `signal`
 * and is started again at its address, `awayMs` later.
 */
export async function restartOnly(
  clientCount: number,
  signal: "SIGKILL" | "SIGTERM",
  awayMs: number,
): Promise<Return> {
  await using programs = new AsyncDisposableStack();
  const first = programs.use(startServer(`tcp@${host}:0`));
  const address = await first.listening();
  const connectedAt: number[] = [];
  let onConnected = () => {};
  const connected = (count: number) =>
    new Promise<void>((resolve) => {
      onConnected = () => {
        if (connectedAt.length >= count) resolve();
      };
      onConnected();
    });
  await using clients = new AsyncDisposableStack();
  let isOver = false;
  let unsent = 0;
  const keepCalling = async (client: XClient) => {
    while (!isOver) {
      await client.call("Foo.Whoami").catch(({ sent }) => {
        if (sent === false) unsent++;
      });
      await Bun.sleep(pauseMs * (0.5 + Math.random()));
    }
  };
  const callers = Array.from({ length: clientCount }, async () => {
    const client = await connect(address, {
      onEvent({ kind }) {
        if (kind !== "connected") return;
        connectedAt.push(performance.now());
        onConnected();
      },
    });
    await keepCalling(clients.use(client));
  });
  await connected(clientCount);
  connectedAt.length = 0;
  let tickedAt = performance.now();
  let longestStallMs = 0;
  const ticking = setInterval(() => {
    const now = performance.now();
    longestStallMs = Math.max(longestStallMs, now - tickedAt - tickMs);
    tickedAt = now;
  }, tickMs);
  first.signal(signal);
  await first.exited;
  const endedAt = performance.now();
  await Bun.sleep(awayMs);
  await programs.use(startServer(address)).listening();
  await connected(clientCount);
  clearInterval(ticking);
  isOver = true;
  await Promise.all(callers);
  return {
    reconnects: connectedAt.length,
    mostAtOnce: mostWithin(windowMs, connectedAt) / clientCount,
    unsent,
    backAfterMs: (connectedAt.at(-1) ?? NaN) - endedAt,
    longestStallMs,
  };
}

function startServer(address: string) {
  return startGeerpc(["server", `--listen=${address}`, "--log-level=warn"]);
}

/** The most of these instants, in order, that are within so long. */
function mostWithin(ms: number, instants: readonly number[]): number {
  let most = 0;
  let from = 0;
  for (const [at, instant] of instants.entries()) {
    while (instant - (instants[from] as number) >= ms) from++;
    most = Math.max(most, at - from + 1);
  }
  return most;
}
