import { closeUnread, isAsyncIterable } from "../base/async-values.ts";
import { RpcError } from "../errors.ts";
import type { Settled } from "../xclient/broadcast.ts";
import type { Sink } from "./io.ts";
import { toJsonLine } from "./json.ts";

/**
 * Prints a reply as a line of JSON; of a stream each item, as it comes. The
 * next item is asked for when the last one has left the process, so a reader
 * of ours that is slow slows the server. One that is gone cancels the stream.
 *
 * @throws RpcError what a stream ends with, behind its items
 */
export async function printReply(reply: unknown, stdout: Sink): Promise<void> {
  if (isAsyncIterable(reply)) await printItems(reply, stdout, (item) => item);
  else printLine(reply, stdout);
}

/**
 * Prints what became of a broadcast, a line per server; of servers that answer
 * with streams a line per item, as they come. What fails when `signal` aborts
 * is no failure of a server's.
 *
 * @returns whether no server's call failed
 * @throws the reason of `signal`
 */
export async function printBroadcast(
  outcomes: ReadonlyMap<string, Settled>,
  stdout: Sink,
  signal: AbortSignal,
): Promise<boolean> {
  const streams: AsyncIterable<unknown>[] = [];
  const print = async (server: string, reply: unknown): Promise<void> => {
    if (!isAsyncIterable(reply)) {
      printLine({ server, reply: reply ?? null }, stdout);
      return;
    }
    streams.push(reply);
    const lineOf = (item: unknown) => ({ server, item: item ?? null });
    if (await printItems(reply, stdout, lineOf)) return;
    await Promise.all(streams.map(closeUnread));
  };
  const printing = [...outcomes].map(async ([server, outcome]) => {
    try {
      if ("error" in outcome) throw outcome.error;
      await print(server, outcome.reply);
      return true;
    } catch (thrown) {
      signal.throwIfAborted();
      printServerError(server, RpcError.from(thrown), stdout);
      return false;
    }
  });
  return (await Promise.all(printing)).every(Boolean);
}

/** A line of a broadcast about a server that failed. */
export function printServerError(
  server: string,
  error: RpcError,
  sink: Sink,
): void {
  printLine({ server, error: error.toJSON() }, sink);
}

/** @returns false where nobody reads them any more: then the stream is cancelled */
async function printItems(
  items: AsyncIterable<unknown>,
  stdout: Sink,
  lineOf: (item: unknown) => unknown,
): Promise<boolean> {
  for await (const item of items) {
    printLine(lineOf(item), stdout);
    if (!(await stdout.flush())) return false;
  }
  return true;
}

function printLine(value: unknown, sink: Sink): void {
  sink.write(`${toJsonLine(value)}\n`);
}
