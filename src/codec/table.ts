import { RpcError } from "../errors.ts";
import { binaryCodec } from "./binary/binary.ts";
import type { Codec, CodecContext, CodecFactory } from "./codec.ts";
import { gobCodec, netRpcCodec } from "./gob/rpc-codec.ts";
import { jsonCodec } from "./json.ts";
import { jsonRpcCodec } from "./jsonrpc/jsonrpc.ts";

export const binaryCodecType = "application/x-geerpc";
export const jsonCodecType = "application/json";
export const gobCodecType = "application/gob";

const factories = new Map<string, CodecFactory>([
  [binaryCodecType, binaryCodec],
  [jsonCodecType, jsonCodec],
  [gobCodecType, gobCodec],
]);

/**
 * What peers speak that send no Option: Go's net/rpc with gob, and JSON-RPC.
 * The names are those of addresses.
 */
const foreignFactories = new Map<string, CodecFactory>([
  ["gorpc", netRpcCodec],
  ["jsonrpc", jsonRpcCodec],
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
