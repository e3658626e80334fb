import type { Codec } from "../codec/codec.ts";
import { binaryCodecType, createCodec, hasOption } from "../codec/table.ts";
import { RpcError } from "../errors.ts";
import type { Protocol } from "../transport/address.ts";
import type { ResolvedClientOptions } from "./options.ts";

/**
 * What a connection to an address of that protocol speaks.
 *
 * @throws RpcError invalid_argument  another codec was asked for
 */
export function codecTypeOf(
  protocol: Protocol,
  asked: string | undefined,
): string {
  const spoken = protocol === "gorpc+http" ? "gorpc" : protocol;
  if (hasOption(spoken)) return asked ?? binaryCodecType;
  if (asked === undefined || asked === spoken) return spoken;
  throw new RpcError(
    "invalid_argument",
    `${protocol}@ addresses speak ${spoken}, not ${asked}: leave the codec out`,
  );
}

/** The codec of one connection. */
export function codecOf(options: ResolvedClientOptions): Codec {
  const { codec, limits, bodies, gobTypes, onEvent } = options;
  const { gobRegistry, inferences } = options;
  return createCodec(codec, {
    role: "dial",
    limits,
    bodies,
    compression: options.compression,
    declaredTypes: (serviceMethod) =>
      Object.hasOwn(gobTypes, serviceMethod)
        ? { args: gobTypes[serviceMethod] }
        : undefined,
    gobRegistry,
    inferences,
    onAmbiguousType: (ambiguity) =>
      onEvent({ kind: "ambiguous-type", side: "args", ...ambiguity }),
  });
}
