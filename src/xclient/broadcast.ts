import { closeUnread, isAsyncIterable } from "../base/async-values.ts";
import { RpcError } from "../errors.ts";

/** One server's call of a broadcast, under way. */
export interface BroadcastCall {
  readonly address: string;
  readonly reply: Promise<unknown>;
}

/** What one server made of a broadcast. */
export type Settled = { reply: unknown } | { error: RpcError };

/**
 * The reply that came first, once all are there; or the first failure, which
 * aborts `others`, by whose signal the calls are cancelled. Of replies that are
 * streams all but the first are ended.
 */
export async function firstReply(
  calls: readonly BroadcastCall[],
  others: AbortController,
): Promise<unknown> {
  let first: { reply: unknown } | undefined;
  try {
    await Promise.all(
      calls.map(async ({ reply }) => {
        const value = await reply;
        if (first === undefined) first = { reply: value };
        else if (isAsyncIterable(value)) await closeUnread(value);
      }),
    );
    return first?.reply;
  } catch (thrown) {
    others.abort(
      new RpcError(
        "cancelled",
        "another server's call of the broadcast failed",
      ),
    );
    throw thrown;
  }
}

/** Every server's outcome by address, in the order of the calls. */
export async function settledReplies(
  calls: readonly BroadcastCall[],
): Promise<Map<string, Settled>> {
  const settled = calls.map(
    async ({ address, reply }): Promise<[string, Settled]> => [
      address,
      await reply.then(
        (value) => ({ reply: value }),
        (thrown) => ({ error: RpcError.from(thrown) }),
      ),
    ],
  );
  return new Map(await Promise.all(settled));
}
