import { headerBytes } from "../../wire/frame.ts";
import type { SendBuffer } from "../../wire/send-buffer.ts";

/** Appends a frame's header (PROTOCOL.md, "Frames"). */
export function writeHeader(
  out: SendBuffer,
  kind: number,
  flags: number,
  encoding: number,
  code: number,
  length: number,
  seq: number,
): void {
  out.reserve(headerBytes);
  const { view, end } = out;
  view.setUint32(
    end,
    kind | (flags << 8) | (encoding << 16) | (code << 24),
    true,
  );
  view.setUint32(end + 4, length, true);
  view.setUint32(end + 8, seq >>> 0, true);
  view.setUint32(end + 12, Math.floor(seq / 0x1_0000_0000), true);
  out.end = end + headerBytes;
}

/** Writes the length of the last frame of `out`, of `frameBytes` with its header, once its content is there. */
export function setContentLength(out: SendBuffer, frameBytes: number): void {
  const at = out.end - frameBytes;
  out.view.setUint32(at + 4, frameBytes - headerBytes, true);
}
