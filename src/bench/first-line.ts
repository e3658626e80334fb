import { RpcError } from "../errors.ts";

/** A first line has no more: what goes on and on is no program of ours. */
const mostBytes = 64 * 1024;

/**
 * The first line that a process writes, without its end. The rest is not read,
 * and who writes on gets an error.
 *
 * @throws RpcError unavailable  it ended before, or wrote 64 KiB without one
 */
export async function firstLine(
  stream: ReadableStream<Uint8Array>,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const end = text.indexOf("\n");
    if (end >= 0) return text.slice(0, end);
    if (text.length > mostBytes) break;
  }
  throw new RpcError("unavailable", "it ended before its first line did");
}
