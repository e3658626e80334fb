import { flags } from "../../wire/frame.ts";
import type { FrameReader } from "../../wire/frame-reader.ts";
import type { Limits } from "../../wire/limits.ts";
import {
  decodeMetadata,
  type Metadata,
  metadataEnd,
} from "../../wire/metadata.ts";

/**
 * Where the metadata of the current frame ends that begins at `at`; `at`
 * itself where the frame has none.
 *
 * @throws RpcError invalid_argument  it is cut off
 */
export function frameMetadataEnd(frame: FrameReader, at: number): number {
  const hasMetadata = (frame.flags & flags.metadata) !== 0;
  return hasMetadata ? metadataEnd(frame.bytes, at, frame.end) : at;
}

/**
 * The metadata between `at` and what frameMetadataEnd gave for it.
 *
 * @throws RpcError as decodeMetadata
 */
export function frameMetadata(
  { bytes }: FrameReader,
  at: number,
  end: number,
  limits: Limits,
): Metadata | undefined {
  return at === end ? undefined : decodeMetadata(bytes, at, end, limits);
}
