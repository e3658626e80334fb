import { Alarm, type AlarmOwner } from "../base/alarm.ts";
import type { Clock } from "../base/clock.ts";
import type { Codec, Inbound } from "../codec/codec.ts";
import type { Pipe } from "../transport/pipe.ts";
import { isLineFeed } from "../wire/option.ts";
import type { KeepAlive } from "./keepalive.ts";

export interface IntakeOptions {
  pipe: Pipe;
  codec: Codec;
  clock: Clock;
  /** A request that stops half-way is given up after so long, at twice that at the latest. */
  stallTimeoutMs: number;
  /** The Option's line may end with an LF, which stands in front of what is read here. */
  mayBeginWithLineFeed: boolean;
  /** Where the peer's time stands while nothing is read. */
  keepAlive: KeepAlive | undefined;
}

/** What comes in over one connection: the pipe's bytes, through the codec, unless reading has paused. */
export class Intake implements AlarmOwner {
  readonly #options: IntakeOptions;
  readonly #codec: Codec;
  readonly #inbound: Inbound;
  readonly #keepAlive: KeepAlive | undefined;
  /** Rings while requests are half here. */
  readonly #stalledRequests: Alarm;
  #mayBeginWithLineFeed: boolean;
  #hasHeard = false;
  #isPaused = false;
  #isOver = false;

  constructor(inbound: Inbound, options: IntakeOptions) {
    const { codec, clock, keepAlive, mayBeginWithLineFeed } = options;
    this.#options = options;
    this.#codec = codec;
    this.#inbound = inbound;
    this.#keepAlive = keepAlive;
    this.#mayBeginWithLineFeed = mayBeginWithLineFeed;
    this.#stalledRequests = new Alarm(clock, this);
  }

  /** Whether a byte of the peer has come. */
  get hasHeard(): boolean {
    return this.#hasHeard;
  }

  /** Tells of every message that is whole with `chunk`; one of them may stop() it. @throws RpcError as Codec.read */
  read(chunk: Uint8Array): void {
    this.#hasHeard = true;
    this.#keepAlive?.heard();
    this.#codec.push(this.#withoutLineFeed(chunk));
    while (!this.#isOver && this.#codec.read(this.#inbound));
  }

  setPaused(isPaused: boolean): void {
    const { pipe } = this.#options;
    this.#isPaused = isPaused;
    if (isPaused) {
      // While this end does not read, nobody is late.
      this.#stalledRequests.stop();
      this.#keepAlive?.pause();
      pipe.pause();
    } else {
      this.#keepAlive?.resume();
      this.watchPartialRequests();
      pipe.resume();
    }
  }

  /** Begins to wait for the rest of the requests that are half here. */
  watchPartialRequests(): void {
    if (!this.#codec.partialRequests || this.#isPaused || this.#isOver) return;
    const { clock, stallTimeoutMs } = this.#options;
    this.#stalledRequests.by(clock.now() + stallTimeoutMs);
  }

  /** Nothing more is read. */
  stop(): void {
    this.#isOver = true;
    this.#stalledRequests.stop();
    this.#keepAlive?.stop();
  }

  /** AlarmOwner: requests that have stopped half-way. */
  ring(): number {
    this.#codec.dropStalled?.(this.#inbound);
    this.watchPartialRequests();
    return Infinity;
  }

  /** It can also come alone. */
  #withoutLineFeed(chunk: Uint8Array): Uint8Array {
    if (!this.#mayBeginWithLineFeed || chunk.length === 0) return chunk;
    this.#mayBeginWithLineFeed = false;
    return isLineFeed(chunk[0]) ? chunk.subarray(1) : chunk;
  }
}
