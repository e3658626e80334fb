import type { Clock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";

export interface BodyOptions {
  /** Bytes that are kept: a body that never ends. */
  maxBytes: number;
  /** From now to the last byte: a body that stops coming. */
  timeoutMs: number;
  clock: Clock;
  /** Gives it up. */
  signal?: AbortSignal | undefined;
}

/**
 * Reads the body of a request or an answer as UTF-8 text. A declared length
 * meets the limit before a byte is kept; what is beyond is never read. Rejects
 * with the stream's own error when the other end goes.
 *
 * @throws RpcError resource_exhausted  longer than maxBytes
 * @throws RpcError deadline_exceeded   not whole within timeoutMs
 * @throws RpcError invalid_argument    not UTF-8
 * @throws RpcError cancelled           `signal`
 *   each time the stream is cancelled
 */
export async function readBody(
  { body, headers }: Pick<Request | Response, "body" | "headers">,
  { maxBytes, timeoutMs, clock, signal }: BodyOptions,
): Promise<string> {
  if (body === null) return "";
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  const end = Promise.withResolvers<RpcError>();
  const timer = clock.after(timeoutMs, () => end.resolve(tooSlow(timeoutMs)));
  const onAbort = () => end.resolve(RpcError.fromAbort(signal as AbortSignal));
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  const chunks: Uint8Array[] = [];
  let byteCount = 0;
  try {
    if (Number(headers.get("content-length")) > maxBytes)
      throw tooLong(maxBytes);
    for (;;) {
      const next = await Promise.race([reader.read(), end.promise]);
      if (next instanceof RpcError) throw next;
      if (next.done) return decode(chunks, byteCount);
      byteCount += next.value.byteLength;
      if (byteCount > maxBytes) throw tooLong(maxBytes);
      chunks.push(next.value);
    }
  } finally {
    timer.cancel();
    signal?.removeEventListener("abort", onAbort);
    reader.cancel().catch(() => {});
  }
}

/** HTTP's word for why a request's body could not be read. */
export function bodyStatus({ code }: RpcError): 400 | 408 | 413 {
  if (code === "resource_exhausted") return 413;
  return code === "deadline_exceeded" ? 408 : 400;
}

function decode(chunks: readonly Uint8Array[], byteCount: number): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(
      Buffer.concat(chunks, byteCount),
    );
  } catch (cause) {
    throw new RpcError("invalid_argument", "a body that is not UTF-8", {
      cause,
    });
  }
}

function tooLong(maxBytes: number): RpcError {
  return new RpcError(
    "resource_exhausted",
    `the body is longer than ${maxBytes} bytes`,
  );
}

function tooSlow(timeoutMs: number): RpcError {
  return new RpcError(
    "deadline_exceeded",
    `the body did not come within ${timeoutMs} ms`,
  );
}
