import { RpcError } from "../errors.ts";
import { binaryCodec } from "./binary/binary.ts";
import type { Codec, CodecContext, CodecFactory } from "./codec.ts";

export const binaryCodecType = "application/x-geerpc";
export const jsonCodecType = "application/json";
export const gobCodecType = "application/gob";

// Few processes speak these: each is loaded by its first connection, in one
// step, since that one's bytes may be there already.
const json = () => require("./json.ts") as typeof import("./json.ts");
const gob = () =>
  require("./gob/rpc-codec.ts") as typeof import("./gob/rpc-codec.ts");
const jsonRpc = () =>
  require("./jsonrpc/jsonrpc.ts") as typeof import("./jsonrpc/jsonrpc.ts");

const factories = new Map<string, CodecFactory>([
  [binaryCodecType, binaryCodec],
  [jsonCodecType, (context) => json().jsonCodec(context)],
  [gobCodecType, (context) => gob().gobCodec(context)],
]);

/**
 * What peers speak that send no Option: Go's net/rpc with gob, and JSON-RPC.
 * The names are those of addresses.
 */
const foreignFactories = new Map<string, CodecFactory>([
  ["gorpc", (context) => gob().netRpcCodec(context)],
  ["jsonrpc", (context) => jsonRpc().jsonRpcCodec(context)],
]);

/**
 * Adds a codec for every client and server of this process, under the
 * CodecType that Options name it by.
 *
 * @throws RpcError already_exists  one of that name is there
 */
export function registerCodec(codecType: string, factory: CodecFactory): void {
  if (factories.has(codecType)) {
    throw new RpcError(
      "already_exists",
      `codec "${codecType}" is registered already`,
    );
  }
  factories.set(codecType, factory);
}

/** The CodecTypes that can be named in an Option here. */
export function codecTypes(): string[] {
  return [...factories.keys()];
}

/** Whether an Option may name this CodecType here. */
export function hasCodec(codecType: string): boolean {
  return factories.has(codecType);
}

/** Whether a connection in this codec begins with an Option. */
export function hasOption(codecType: string): boolean {
  return !foreignFactories.has(codecType);
}

/**
 * @throws RpcError unimplemented  no codec of that name; says which there are
 */
export function createCodec(codecType: string, context: CodecContext): Codec {
  const factory = factories.get(codecType) ?? foreignFactories.get(codecType);
  if (factory === undefined) {
    throw new RpcError(
      "unimplemented",
      `there is no codec "${codecType}" here, only ${codecTypes().join(", ")}`,
    );
  }
  return factory(context);
}
