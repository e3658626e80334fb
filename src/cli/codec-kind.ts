import {
  binaryCodecType,
  codecTypes,
  hasCodec,
  jsonCodecType,
} from "../codec/table.ts";
import { codecTypeOf } from "../client/choose-codec.ts";
import { RpcError } from "../errors.ts";
import { parseAddress } from "../transport/address.ts";
import type { Kind } from "./kinds.ts";
import { UsageError } from "./usage-error.ts";

const shortNames = new Map([
  ["binary", binaryCodecType],
  ["json", jsonCodecType],
  ["gob", "application/gob"],
]);

/** A codec by its short name or its CodecType; the value is the CodecType. */
export const codecType: Kind<string> = {
  hint: "codec",
  parse(text) {
    const type = shortNames.get(text) ?? text;
    if (hasCodec(type)) return type;
    const names = codecTypes().map(
      (type) =>
        [...shortNames].find(([, shortType]) => shortType === type)?.[0] ??
        type,
    );
    throw new UsageError(`write ${names.join(" or ")}`);
  },
};

/**
 * Servers of Go speak what their address says.
 *
 * @throws UsageError  one of the addresses speaks something else than `codec`
 */
export function checkCodec(
  servers: readonly string[],
  codec: string | undefined,
): void {
  for (const server of servers) {
    try {
      codecTypeOf(parseAddress(server).protocol, codec);
    } catch (thrown) {
      throw new UsageError(`--codec: ${RpcError.from(thrown).message}`);
    }
  }
}
