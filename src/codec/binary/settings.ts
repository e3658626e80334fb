import { RpcError } from "../../errors.ts";
import type { FrameReader } from "../../wire/frame-reader.ts";
import type { Settings } from "../codec.ts";

/** The content of a settings frame: one JSON object, open to more keys. */
export function settingsText(settings: Settings): string {
  return JSON.stringify(settings);
}

/** @throws RpcError internal  the peer's first frame is not what it must be */
export function readSettings({ bytes, start, end }: FrameReader): Settings {
  try {
    const { protocol, maxMessageBytes } = JSON.parse(
      bytes.toString("utf8", start, end),
    ) as Settings;
    if (isCount(protocol) && isCount(maxMessageBytes)) {
      return { protocol, maxMessageBytes };
    }
  } catch {
    // Answered below, like every other content that is none.
  }
  throw new RpcError("internal", "the peer's settings cannot be read");
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
