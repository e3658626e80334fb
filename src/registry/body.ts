import { RpcError } from "../errors.ts";

/**
 * Reads an HTTP body as UTF-8 text, keeping no more than `maxBytes` whatever
 * length was declared; what is beyond is never read.
 *
 * @throws RpcError resource_exhausted  longer than maxBytes; the stream is cancelled
 * @throws RpcError invalid_argument    not UTF-8
 */
export async function readBody(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
): Promise<string> {
  if (body === null) return "";
  const chunks: Uint8Array[] = [];
  let byteCount = 0;
  for await (const chunk of body) {
    byteCount += chunk.byteLength;
    // Leaving the loop cancels the stream.
    if (byteCount > maxBytes) {
      throw new RpcError(
        "resource_exhausted",
        `a body of more than ${maxBytes} bytes`,
      );
    }
    chunks.push(chunk);
  }
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
