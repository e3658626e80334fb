import { isAsyncIterable } from "../base/async-values.ts";
import type { Clock } from "../base/clock.ts";
import type { Form, RequestHead } from "../codec/codec.ts";
import { RpcError } from "../errors.ts";
import type { Metadata } from "../wire/metadata.ts";
import type { Flow } from "./flow.ts";
import { ItemPump } from "./item-pump.ts";
import type { PendingCall } from "./pending-call.ts";
import type { Sender } from "./sender.ts";

/** What this end asks, as it is written: heads with what is left of the time, and arguments, of which some are streams. */
export class Requests {
  readonly #sender: Sender;
  readonly #flow: Flow;
  readonly #clock: Clock;
  readonly #openedAt: number;
  readonly #failed: (call: PendingCall, error: RpcError) => void;

  /** @param failed is told of a call that was sent, and whose argument, a stream, goes wrong */
  constructor(
    sender: Sender,
    flow: Flow,
    clock: Clock,
    failed: (call: PendingCall, error: RpcError) => void,
  ) {
    this.#sender = sender;
    this.#flow = flow;
    this.#clock = clock;
    this.#openedAt = clock.now();
    this.#failed = failed;
  }

  /** Sends a call that has its seq. @throws RpcError as Codec.writeRequest */
  send(call: PendingCall, now: number): void {
    const { seq, serviceMethod, args, form, deadlineAt } = call;
    // 0 would be no limit.
    const leftMs = deadlineAt === Infinity ? 0 : Math.max(1, deadlineAt - now);
    const head = this.#headOf(seq, serviceMethod, leftMs, false, now);
    head.untilReply = call.isUntilReply;
    head.metadata = call.metadata;
    if (isAsyncIterable(args)) this.#stream(call, head, args);
    else call.position = this.#sender.request(head, args, form);
  }

  /**
   * Sends a request that wants no answer; waits for nothing.
   *
   * @throws RpcError unimplemented      the codec has no one-way calls
   * @throws RpcError invalid_argument   the argument cannot be encoded
   * @throws RpcError resource_exhausted too much is queued already
   */
  notify(
    seq: number,
    serviceMethod: string,
    args: unknown,
    form: Form | undefined,
    metadata: Metadata | undefined,
  ): void {
    if (this.#sender.isCongested) {
      throw new RpcError(
        "resource_exhausted",
        "too many bytes wait to be sent: the peer reads too slowly",
        { sent: false },
      );
    }
    if (isAsyncIterable(args)) {
      throw new RpcError(
        "invalid_argument",
        "a call that gets no answer cannot have a stream as its argument: call() it",
        { sent: false },
      );
    }
    const now = this.#clock.now();
    const head = this.#headOf(seq, serviceMethod, 0, true, now);
    head.metadata = metadata;
    this.#sender.request(head, args, form);
  }

  #stream(
    call: PendingCall,
    head: RequestHead,
    items: AsyncIterable<unknown>,
  ): void {
    const { seq } = call;
    // Known in front of the request: what is sent may be the end of the connection.
    const argument = new ItemPump(items, seq, false, this.#sender, this.#flow, {
      ended: () => this.#sender.end(seq, false),
      failed: (thrown) => this.#failed(call, RpcError.from(thrown)),
    });
    call.argument = argument;
    head.isStream = true;
    call.position = this.#sender.request(head, undefined, undefined);
    argument.run();
  }

  #headOf(
    seq: number,
    serviceMethod: string,
    timeoutMs: number,
    oneWay: boolean,
    now: number,
  ): RequestHead {
    const sentAtMs = Math.trunc(now - this.#openedAt) >>> 0;
    return {
      seq,
      serviceMethod,
      timeoutMs,
      sentAtMs,
      oneWay,
      untilReply: false,
      isStream: false,
      metadata: undefined,
    };
  }
}
