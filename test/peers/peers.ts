import { join } from "node:path";
import { version as ownVersion } from "../../package.json";
import { dependencies } from "./package.json";
import { firstOrder } from "./programs/order.ts";
import type { Tool, Tools } from "./set-up.ts";

/** The two ends of a peer, and what stands between them. */
export interface Commands {
  /** Says where it listens, as `{"listening":…}`. */
  serve(broker: string): readonly string[];
  /** Answers each SliceRequest with a SliceAnswer, in lines. */
  call(address: string): readonly string[];
  /** Says where it listens in a line of a log; `serve` is given that. */
  broker?: readonly string[];
}

export interface Peer {
  /** As the command line and the table have it. */
  readonly name: string;
  /** What runs, with versions, for people. */
  readonly about: string;
  readonly commands: Commands | { readonly missing: string };
}

/** What all others are measured against. */
export const reference = "geerpc";

/** Not among the others. */
export const own: readonly string[] = [reference, "xclient"];

export const peerNames = [
  reference,
  "xclient",
  "grpc",
  "connect",
  "trpc",
  "capnweb",
  "nats",
  "moleculer",
  "netrpc",
] as const;

export type PeerName = (typeof peerNames)[number];

/** The peers of these names, in the order of peerNames. */
export function describePeers(
  tools: Tools,
  names: readonly PeerName[] = peerNames,
): Peer[] {
  const { natsServer } = tools;
  const all: Record<PeerName, Omit<Peer, "name">> = {
    geerpc: {
      about: `geerpc ${ownVersion} over TCP, a Client`,
      commands: onBun("geerpc"),
    },
    xclient: {
      about: "the same through connect(): discovery, balancing, retries",
      commands: onBun("geerpc", "xclient"),
    },
    grpc: {
      about: `${named("@grpc/grpc-js", "@grpc/proto-loader")}: protobuf over HTTP/2`,
      commands: needing(tools.packages, () => onBun("grpc")),
    },
    connect: {
      about: `${named("@connectrpc/connect-node", "@bufbuild/protobuf")}: Connect's protocol, protobuf over HTTP/2`,
      commands: needing(tools.packages, () => onBun("connect")),
    },
    trpc: {
      about: `${named("@trpc/server", "@trpc/client")}: JSON over WebSocket, Bun's own in the place of ws`,
      commands: needing(tools.packages, () => onBun("trpc")),
    },
    capnweb: {
      about: `${named("capnweb")}: JSON over WebSocket, Bun.serve`,
      commands: needing(tools.packages, () => onBun("capnweb")),
    },
    nats: {
      about: `${named("@nats-io/transport-node")}: JSON over TCP, request and reply through nats-server ${versionOf(natsServer)}, whose CPU and memory count`,
      commands: needing(tools.packages, () =>
        needing(natsServer, (path) => ({
          ...onBun("nats"),
          broker: [path, "--addr=127.0.0.1", "--port=-1"],
        })),
      ),
    },
    moleculer: {
      about: `${named("moleculer")}: JSON over its TCP transporter`,
      commands: needing(tools.packages, () => onBun("moleculer")),
    },
    netrpc: {
      about: `net/rpc of Go ${versionOf(tools.netrpc)}: gob over TCP, both ends in Go`,
      commands: needing(tools.netrpc, (path) => ({
        serve: () => [path, "serve"],
        call: (address) => [path, "call", address, JSON.stringify(firstOrder)],
      })),
    },
  };
  return peerNames
    .filter((name) => names.includes(name))
    .map((name) => ({ name, ...all[name] }));
}

function onBun(name: string, ...how: string[]): Commands {
  const program = join(import.meta.dir, "programs", `${name}.ts`);
  const { execPath } = process;
  return {
    serve: (broker) => [execPath, program, "serve", broker],
    call: (address) => [execPath, program, "call", address, ...how],
  };
}

function needing(
  tool: Tool,
  commands: (path: string) => Peer["commands"],
): Peer["commands"] {
  return "missing" in tool ? tool : commands(tool.path);
}

function named(...names: (keyof typeof dependencies)[]): string {
  return names.map((name) => `${name} ${dependencies[name]}`).join(", ");
}

function versionOf(tool: Tool): string {
  return "version" in tool ? tool.version : "";
}
