import type { Clock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";

/** From its head to the last byte of its body: a body that never ends. */
const bodyTimeoutMs = 30_000;

/** Why a body was not read to its end; the rest of it may still be under way. */
export interface UnreadBody {
  status: 408 | 413;
  error: RpcError;
}

/**
 * Reads a request's body as text; a declared length meets the limit before a
 * byte is kept. Rejects when the client goes.
 */
export async function readBody(
  request: Request,
  maxBytes: number,
  clock: Clock,
): Promise<string | UnreadBody> {
  if (Number(request.headers.get("content-length")) > maxBytes) {
    return tooLong(maxBytes);
  }
  if (request.body === null) return "";
  const reader = request.body.getReader();
  const late = Promise.withResolvers<"late">();
  const timer = clock.after(bodyTimeoutMs, () => late.resolve("late"));
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const next = await Promise.race([reader.read(), late.promise]);
      if (next === "late") return tooSlow();
      if (next.done) return Buffer.concat(chunks).toString("utf8");
      length += next.value.length;
      if (length > maxBytes) return tooLong(maxBytes);
      chunks.push(next.value);
    }
  } finally {
    timer.cancel();
    reader.cancel().catch(() => {});
  }
}

function tooLong(maxBytes: number): UnreadBody {
  return {
    status: 413,
    error: new RpcError(
      "resource_exhausted",
      `the body is longer than ${maxBytes} bytes`,
    ),
  };
}

function tooSlow(): UnreadBody {
  return {
    status: 408,
    error: new RpcError(
      "deadline_exceeded",
      `the body did not come within ${bodyTimeoutMs} ms`,
    ),
  };
}
