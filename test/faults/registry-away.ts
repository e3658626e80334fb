import type { RpcEvent } from "../../src/events.ts";
import type { RegistryProcess } from "./registry-process.ts";

type Notice = Extract<
  RpcEvent["kind"],
  "heartbeat-missed" | "discovery-failed"
>;

/** What a registry may be like for a while; both ends resolve once it is so. */
export interface RegistryFault {
  readonly name: string;
  /** What servers and clients tell of it: a POST may seem to succeed, and a watch wait on. */
  readonly notices: readonly Notice[];
  begin(registry: RegistryProcess): Promise<AsyncDisposable>;
}

const both: readonly Notice[] = ["heartbeat-missed", "discovery-failed"];
const listOnly: readonly Notice[] = ["discovery-failed"];

const hugeBytes = 50 * 1024 * 1024;
const pieceBytes = 64 * 1024;
const blanks = " ".repeat(pieceBytes);

/** Each begins while the registry is well; disposing of it ends it. */
export const registryFaults: readonly RegistryFault[] = [
  { name: "dead", notices: both, begin: dead },
  { name: "hanging", notices: ["heartbeat-missed"], begin: hanging },
  lying("answering 500", both, () => new Response("no", { status: 500 })),
  lying("answering nothing", listOnly, () => new Response()),
  lying("listing nobody", listOnly, () =>
    withHeader("X-Geerpc-Servers", "", null),
  ),
  lying("answering HTML", listOnly, () =>
    withHeader("Content-Type", "text/html", "<!doctype html><p>Sign in"),
  ),
  lying("answering 50 MiB", both, hugeAnswer),
];

/** Killed, and begun anew at the end: with nothing, unless it has a store. */
async function dead(registry: RegistryProcess): Promise<AsyncDisposable> {
  await registry.kill();
  return { [Symbol.asyncDispose]: () => registry.restart() };
}

async function hanging(registry: RegistryProcess): Promise<AsyncDisposable> {
  registry.stop();
  return { [Symbol.asyncDispose]: async () => registry.continue() };
}

/** Something else listens at its port meanwhile. */
function lying(
  name: string,
  notices: readonly Notice[],
  answer: () => Response,
): RegistryFault {
  return {
    name,
    notices,
    async begin(registry) {
      const { hostname, port } = new URL(registry.url);
      const end = await dead(registry);
      const liar = Bun.serve({
        hostname,
        port,
        development: false,
        fetch: answer,
      });
      return {
        async [Symbol.asyncDispose]() {
          await liar.stop(true);
          await end[Symbol.asyncDispose]();
        },
      };
    },
  };
}

function withHeader(name: string, value: string, body: string | null) {
  return new Response(body, { headers: { [name]: value } });
}

/** A list that is well-formed but for its length: of a server that is not there. */
function hugeAnswer(): Response {
  const pieces = [
    '{"servers":[',
    ...Array.from({ length: hugeBytes / pieceBytes }, () => blanks),
    '{"address":"tcp@127.0.0.1:1"}]}',
  ];
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const piece = pieces.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(Buffer.from(piece));
    },
  });
  return new Response(body, {
    headers: { "Content-Type": "application/json" },
  });
}
