import { gobCodecType, hasOption } from "../codec/table.ts";
import {
  encodeOption,
  encodePaddedOption,
  magicNumber,
  nanosecondsPerMs,
  type Option,
  protocolVersion,
} from "../wire/option.ts";
import { ownWindows } from "../session/windows.ts";
import type { ResolvedClientOptions } from "./options.ts";

/** What goes out first: nothing to peers that know no Option. */
export function optionBytes(
  options: ResolvedClientOptions,
): Uint8Array | undefined {
  const { codec, bodies, connectTimeoutMs, handleTimeoutMs, compression } =
    options;
  if (!hasOption(codec)) return undefined;
  const option: Option = {
    MagicNumber: magicNumber,
    CodecType: codec,
    ConnectTimeout: nanosecondsOf(connectTimeoutMs),
    HandleTimeout: nanosecondsOf(handleTimeoutMs),
    Protocol: protocolVersion,
    ...(bodies.length > 0 ? { Bodies: [...bodies] } : {}),
    ...(compression !== undefined ? { Compression: ["zstd"] } : {}),
    ...windowsOf(options),
  };
  return codec === gobCodecType
    ? encodePaddedOption(option)
    : encodeOption(option);
}

/** As the Option carries it: a whole number, and none but 0 is "no limit". 104 days at most. */
function nanosecondsOf(timeoutMs: number): number {
  const nanoseconds = Math.ceil(timeoutMs * nanosecondsPerMs);
  return Math.min(Number.MAX_SAFE_INTEGER, nanoseconds);
}

/** The windows that are not the default; JSON has no Infinity. */
function windowsOf({ limits }: ResolvedClientOptions): Partial<Option> {
  const { streamWindowBytes, connectionWindowBytes } = ownWindows(limits);
  return {
    ...(streamWindowBytes !== undefined && {
      StreamWindow: Math.min(Number.MAX_SAFE_INTEGER, streamWindowBytes),
    }),
    ...(connectionWindowBytes !== undefined && {
      ConnectionWindow: Math.min(
        Number.MAX_SAFE_INTEGER,
        connectionWindowBytes,
      ),
    }),
  };
}
