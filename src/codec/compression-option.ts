import { checkNumber } from "../wire/limits.ts";
import type { Compression } from "./codec.ts";

/** Below it the frame of zstd, and the time, cost more than is saved. */
const defaultMinBytes = 1024;

/**
 * What a user asks for: true is the default size, false and undefined are none.
 *
 * @throws RpcError invalid_argument  minBytes is no number from 0
 */
export function resolveCompression(
  given: Partial<Compression> | boolean | undefined,
): Compression | undefined {
  if (given === undefined || given === false) return undefined;
  const { minBytes = defaultMinBytes } = given === true ? {} : given;
  return { minBytes: checkNumber("compression.minBytes", minBytes) };
}
