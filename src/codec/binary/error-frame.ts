import { codeNumber, codeOf, RpcError } from "../../errors.ts";
import { cutMessage, flags, kinds, pieceBytes } from "../../wire/frame.ts";
import type { FrameReader } from "../../wire/frame-reader.ts";
import { readUint32 } from "../../wire/little-endian.ts";
import type { SendBuffer } from "../../wire/send-buffer.ts";
import { type Bodies, encodings } from "./body.ts";
import { setContentLength, writeHeader } from "./header.ts";

/**
 * Appends an error frame, with `metadata` as an encoded block. A message is cut to 4,096 characters. Details that
 * cannot be encoded, or do not fit into one frame, are left out and the
 * message says so: an error must always get through.
 */
export function writeErrorFrame(
  out: SendBuffer,
  seq: number,
  error: RpcError,
  bodies: Bodies,
  metadata: Uint8Array | undefined,
): void {
  const details = encodeDetails(error.details, bodies);
  const message = Buffer.from(
    cutMessage(error.message) +
      (details.isLeftOut ? " (its details cannot be sent)" : ""),
  );
  let flag = error.sent === false ? flags.notStarted : 0;
  if (metadata !== undefined) flag |= flags.metadata;
  const from = out.length;
  writeHeader(
    out,
    kinds.error,
    flag,
    details.encoding,
    codeNumber(error.code),
    0,
    seq,
  );
  if (metadata !== undefined) out.writeBytes(metadata);
  out.writeUint32(message.length);
  out.writeBytes(message);
  out.writeBytes(details.bytes);
  setContentLength(out, out.length - from);
}

/**
 * Reads an error frame whose message begins at `at`. Details that cannot be
 * decoded are left out: the code matters more.
 *
 * @throws RpcError invalid_argument  it is cut off
 */
export function readError(
  frame: FrameReader,
  at: number,
  bodies: Bodies,
): RpcError {
  const { bytes, end } = frame;
  const messageAt = at + 4;
  const detailsAt = end - at < 4 ? Infinity : messageAt + readUint32(bytes, at);
  if (detailsAt > end)
    throw new RpcError("invalid_argument", "an error is cut off");
  return new RpcError(
    codeOf(frame.code),
    bytes.toString("utf8", messageAt, detailsAt),
    {
      details: readDetails(frame, detailsAt, bodies),
      sent: (frame.flags & flags.notStarted) === 0,
    },
  );
}

function readDetails(
  { encoding, bytes, end }: FrameReader,
  at: number,
  bodies: Bodies,
): unknown {
  try {
    return bodies.decode(encoding, bytes, at, end);
  } catch {
    return undefined;
  }
}

function encodeDetails(
  details: unknown,
  bodies: Bodies,
): { encoding: number; bytes: Uint8Array; isLeftOut: boolean } {
  const none = { encoding: encodings.nothing, bytes: new Uint8Array(0) };
  try {
    const { encoding, content } = bodies.encode(details);
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    if (bytes.length <= pieceBytes)
      return { encoding, bytes, isLeftOut: false };
  } catch {
    // Whatever is wrong with the details, the error itself goes out.
  }
  return { ...none, isLeftOut: true };
}
