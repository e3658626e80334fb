import { RpcError } from "../errors.ts";
import type { Invocation } from "../service/invocation.ts";
import type { Flow } from "./flow.ts";
import { IncomingStream } from "./incoming-stream.ts";
import { ItemPump } from "./item-pump.ts";
import type { ItemStream } from "./item-stream.ts";
import type { Sender } from "./sender.ts";

/** A reply whose items are being sent. */
interface ServedReply {
  pump: ItemPump;
  /** Nobody wants it any more: it is over when its source is. */
  stop(): void;
}

/** A call with a stream in it, in either direction or in both. */
interface ServedCall {
  argument: IncomingStream | undefined;
  reply: ServedReply | undefined;
}

/**
 * The streams of the calls that a session serves: arguments that come in and
 * replies that go out, by seq. Each half ends by itself; once the call is over
 * nothing of it is left here.
 */
export class ServedStreams {
  readonly #sender: Sender;
  readonly #flow: Flow;
  readonly #maxStreams: number;
  readonly #calls = new Map<number, ServedCall>();
  /** Credit that came before its reply had begun, by seq; of calls that are not over. Most connections have none. */
  #earlyCredit: Map<number, number> | undefined;

  constructor(sender: Sender, flow: Flow, maxStreams: number) {
    this.#sender = sender;
    this.#flow = flow;
    this.#maxStreams = maxStreams;
  }

  /** Calls with a stream in them. */
  get count(): number {
    return this.#calls.size;
  }

  /**
   * The argument of a call is a stream.
   *
   * @throws RpcError resource_exhausted  too many are open
   */
  receive(seq: number): ItemStream {
    const argument = new IncomingStream(
      seq,
      false,
      this.#sender,
      this.#flow,
      () => {},
    );
    this.#open(seq, false).argument = argument;
    return argument.items;
  }

  /** Whether there is a call of that seq, and a stream in it, which may be one that only has to end. */
  has(seq: number): boolean {
    return this.#calls.has(seq);
  }

  /** Whether items of this call's argument are still waited for. */
  awaits(seq: number): boolean {
    return this.#calls.get(seq)?.argument?.items.isOver === false;
  }

  /**
   * An item of an argument came. False, and dropped, where none is open.
   *
   * @throws RpcError resource_exhausted  the peer was not allowed to send it
   */
  item(seq: number, item: unknown, bytes: number): boolean {
    const argument = this.#openArgument(seq);
    if (argument === undefined) this.#flow.drop(bytes);
    else argument.receive(item, bytes);
    return argument !== undefined;
  }

  /** The argument's last item has come. False where none is open. */
  halfClose(seq: number): boolean {
    const argument = this.#openArgument(seq);
    argument?.end();
    return argument !== undefined;
  }

  /** The caller takes more items of a reply. False where that has not begun, or is over. */
  grant(seq: number, bytes: number): boolean {
    const reply = this.#calls.get(seq)?.reply;
    reply?.pump.grant(bytes);
    return reply !== undefined;
  }

  /** For when the reply to this call, which is not over, begins. */
  keepCredit(seq: number, bytes: number): void {
    this.#earlyCredit ??= new Map();
    const sum = (this.#earlyCredit.get(seq) ?? 0) + bytes;
    this.#earlyCredit.set(seq, Math.min(sum, Number.MAX_SAFE_INTEGER));
  }

  /** The call is over. */
  forgetCredit(seq: number): void {
    this.#earlyCredit?.delete(seq);
  }

  /** Sends a reply that is a stream: as Answerer.stream. */
  async send(
    invocation: Invocation,
    items: AsyncIterable<unknown>,
  ): Promise<void> {
    const { seq } = invocation;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const pump = new ItemPump(items, seq, true, this.#sender, this.#flow, {
      ended: () => {
        try {
          this.#sender.end(seq, true, invocation.takeResponseMetadata());
          resolve();
        } catch (thrown) {
          reject(thrown);
        }
      },
      failed: reject,
    });
    const stop = (): void => void pump.stop().then(resolve, reject);
    try {
      const call = this.#calls.get(seq) ?? this.#open(seq, undefined);
      call.reply = { pump, stop };
      this.#sender.streamed(seq, invocation.takeResponseMetadata());
      pump.run();
      const early = this.#earlyCredit?.get(seq);
      this.forgetCredit(seq);
      if (early !== undefined) pump.grant(early);
      await promise;
    } catch (thrown) {
      // One that could not begin is still to be ended.
      await pump.stop().catch(() => {});
      throw thrown;
    } finally {
      this.#leaveReply(seq);
    }
  }

  /** The call has been answered, or nobody waits for that: its streams stop. */
  end(seq: number, reason: RpcError): void {
    const call = this.#calls.get(seq);
    if (call === undefined) return;
    const { argument, reply } = call;
    call.argument = undefined;
    if (reply === undefined) this.#calls.delete(seq);
    argument?.close();
    argument?.items.abort(reason);
    reply?.stop();
  }

  /**
   * @param sent false of a call that has not run
   * @throws RpcError resource_exhausted  too many are open
   */
  #open(seq: number, sent: false | undefined): ServedCall {
    if (this.count >= this.#maxStreams) {
      throw new RpcError(
        "resource_exhausted",
        `${this.count} calls with streams are open on this connection, which is the limit`,
        sent === undefined ? {} : { sent },
      );
    }
    const call = { argument: undefined, reply: undefined };
    this.#calls.set(seq, call);
    return call;
  }

  /** One whose end has not come; its reader may have left. */
  #openArgument(seq: number): IncomingStream | undefined {
    const argument = this.#calls.get(seq)?.argument;
    return argument?.hasEnded === false ? argument : undefined;
  }

  #leaveReply(seq: number): void {
    const call = this.#calls.get(seq);
    if (call === undefined) return;
    call.reply = undefined;
    if (call.argument === undefined) this.#calls.delete(seq);
  }
}
