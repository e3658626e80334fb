import { RpcError } from "../../errors.ts";
import type { FrameReader } from "../../wire/frame-reader.ts";
import type { Settings } from "../codec.ts";

/** The content of a settings frame: one JSON object, open to more keys. */
export function settingsText(settings: Settings): string {
  return JSON.stringify(settings, wholeNumbers);
}

/** Limits may be Infinity or fractions here, and on the wire are whole numbers. */
function wholeNumbers(_key: string, value: unknown): unknown {
  return typeof value === "number"
    ? Math.floor(Math.min(value, Number.MAX_SAFE_INTEGER))
    : value;
}

/** @throws RpcError internal  the peer's first frame is not what it must be */
export function readSettings({ bytes, start, end }: FrameReader): Settings {
  try {
    const {
      protocol,
      maxMessageBytes,
      streamWindowBytes,
      connectionWindowBytes,
      compression,
    } = JSON.parse(bytes.toString("utf8", start, end)) as Settings;
    if (
      isCount(protocol) &&
      isCount(maxMessageBytes) &&
      isWindow(streamWindowBytes) &&
      isWindow(connectionWindowBytes)
    ) {
      return {
        protocol,
        maxMessageBytes,
        ...(streamWindowBytes !== undefined && {
          streamWindowBytes: capped(streamWindowBytes),
        }),
        ...(connectionWindowBytes !== undefined && {
          connectionWindowBytes: capped(connectionWindowBytes),
        }),
        // Another one was not asked for.
        ...(compression === "zstd" && { compression }),
      };
    }
  } catch {
    // Answered below, like every other content that is none.
  }
  throw new RpcError("internal", "the peer's settings cannot be read");
}

function capped(bytes: number): number {
  return Math.min(bytes, Number.MAX_SAFE_INTEGER);
}

function isWindow(value: unknown): boolean {
  return (
    value === undefined || (Number.isInteger(value) && (value as number) >= 0)
  );
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
