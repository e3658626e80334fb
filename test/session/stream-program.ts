import { expect } from "bun:test";
import { type Random, randomIndex } from "../../src/base/random.ts";
import { RpcError } from "../../src/errors.ts";
import { settle } from "../support/manual-clock.ts";
import { Feed } from "./feed.ts";
import { ItemReader } from "./item-reader.ts";
import {
  type End,
  type HeldCall,
  type StartedCall,
  twoEnds,
} from "./two-ends.ts";
import { Source } from "./source.ts";
import { WindowTap } from "./window-tap.ts";

/** What the model knows of a call. */
interface Expected {
  id: string;
  from: End;
  call: StartedCall;
  controller: AbortController;
  /** Listeners on the signal: none once it is over. */
  listeners(): number;
  deadlineAt: number;
  isUntilReply: boolean;
  /** It was taken back before its reply had come, or before that was over. */
  aborted: "never" | "early" | "late";
  argument: Source | undefined;
  /** What its handler answers with, where that is a stream. */
  reply: Source | undefined;
  reader: ItemReader | undefined;
  /** The reader of its argument, at its handler. */
  argumentReader: ItemReader | undefined;
  held: HeldCall | undefined;
  handlerEnd: "replied" | "rejected" | "streamed" | undefined;
}

const rejection = new RpcError("not_found", "the handler's");
const sourceFailure = new RpcError("aborted", "the source's");

/** Random streams, calls and mishaps on both ends of a connection, and a model of what may become of them. */
export class StreamProgram {
  readonly #random: Random;
  readonly #ends;
  readonly #sides: readonly [End, End];
  readonly #calls = new Map<string, Expected>();
  readonly #taps: readonly [WindowTap, WindowTap];
  #lastId = 0;
  #fate: "lives" | "is cut" | "drains" = "lives";

  constructor(random: Random) {
    this.#random = random;
    const connectionWindowBytes = 64 + this.#index(30_000);
    this.#ends = twoEnds({
      capacityBytes: 1 + this.#index(100_000),
      limits: {
        maxQueuedBytes: 1 + this.#index(300_000),
        stallTimeoutMs: 1e12,
        streamWindowBytes: 64 + this.#index(20_000),
        connectionWindowBytes,
      },
    });
    const { near, far, dial, accept } = this.#ends;
    this.#sides = [dial, accept];
    this.#taps = [new WindowTap(near), new WindowTap(far)];
  }

  async run(steps: number): Promise<void> {
    const cutAt = this.#chance(0.25) ? this.#index(steps) : Infinity;
    const drainAt = this.#chance(0.2) ? this.#index(steps) : Infinity;
    for (let step = 0; step < steps; step++) {
      if (step === drainAt) this.#drain();
      if (step === cutAt) {
        this.#cut();
        break;
      }
      await this.#step();
      this.#match();
    }
    await this.#windUp();
    await this.#check();
  }

  // Operations

  async #step(): Promise<void> {
    const dice = this.#random();
    if (dice < 0.2) this.#start();
    else if (dice < 0.24) this.#abort();
    else if (dice < 0.4) this.#give();
    else if (dice < 0.46) this.#endSource();
    else if (dice < 0.62) this.#read();
    else if (dice < 0.66) this.#leave();
    else if (dice < 0.74) this.#answer(this.#pick(this.#heldCalls()));
    else if (dice < 0.78) this.#pick(this.#pipes)?.pause();
    else if (dice < 0.86) for (const pipe of this.#pipes) pipe.resume();
    else if (dice < 0.96) await settle();
    else await this.#advance();
  }

  #start(): void {
    const from = this.#pick(this.#sides) as End;
    const id = `${++this.#lastId}`;
    // Mirrors in both directions may wait for each other: neither reads on
    // before the connection takes its reply.
    const mirror = from === this.#sides[0] ? "mirror" : "collect";
    const method = this.#pick(["echo", "hold", "hold", mirror, "collect"]);
    const hasStream =
      method === "mirror" || method === "collect" || this.#chance(0.3);
    const argument = hasStream && method !== "echo" ? new Source() : undefined;
    const controller = new AbortController();
    const timeoutMs = this.#chance(0.3) ? 1 + this.#index(60) : 0;
    const isUntilReply = timeoutMs > 0 && this.#chance(0.5);
    const listeners = countListeners(controller.signal);
    const call = from.call(
      method as string,
      argument === undefined ? id : argument.feed.items(),
      {
        timeoutMs,
        isUntilReply,
        signal: controller.signal,
        metadata: new Map([["id", id]]),
      },
    );
    this.#calls.set(id, {
      id,
      from,
      call,
      controller,
      listeners,
      deadlineAt:
        timeoutMs === 0 ? Infinity : this.#ends.clock.now() + timeoutMs,
      isUntilReply,
      aborted: "never",
      argument,
      reply: method === "mirror" ? argument : undefined,
      reader: undefined,
      argumentReader: undefined,
      held: undefined,
      handlerEnd: undefined,
    });
  }

  #abort(): void {
    const expected = this.#pickCall();
    if (expected === undefined) return;
    const { call, controller } = expected;
    if (expected.aborted === "never") {
      expected.aborted = call.isOver ? "late" : "early";
    }
    controller.abort();
    expect(call.outcomes).toHaveLength(1);
  }

  #give(): void {
    const source = this.#pick(this.#sources());
    if (source === undefined || source.how !== "open") return;
    for (let count = 1 + this.#index(6); count > 0; count--) {
      source.give("x".repeat(this.#itemChars()));
    }
  }

  #endSource(source = this.#pick(this.#sources())): void {
    if (source === undefined || source.how !== "open") return;
    if (this.#chance(0.7)) source.end();
    else source.fail(sourceFailure);
  }

  #read(): void {
    const reader = this.#pick(this.#readers());
    for (let count = 1 + this.#index(5); count > 0; count--) reader?.pull();
  }

  #leave(): void {
    this.#pick(this.#readers())?.leave();
  }

  #answer(held: HeldCall | undefined): void {
    const expected = held && this.#callOf(held);
    if (held === undefined || expected === undefined) return;
    const dice = this.#random();
    if (dice < 0.4) {
      expected.handlerEnd = "replied";
      held.resolve(`re ${expected.id}`);
    } else if (dice < 0.55) {
      expected.handlerEnd = "rejected";
      held.reject(rejection);
    } else {
      expected.handlerEnd = "streamed";
      expected.reply = new Source(new Feed(undefined, held.context));
      held.resolve(expected.reply.feed.items());
    }
  }

  async #advance(): Promise<void> {
    const { clock } = this.#ends;
    await clock.advance(this.#index(40));
    for (const { call, deadlineAt } of this.#calls.values()) {
      if (deadlineAt <= clock.now()) expect(call.isOver).toBe(true);
    }
  }

  #drain(): void {
    if (this.#fate === "lives") this.#fate = "drains";
    void this.#pick(this.#sides)?.session.finish();
  }

  #cut(): void {
    this.#fate = "is cut";
    const side = this.#pick(this.#sides) as End;
    side.session.abort(new RpcError("unavailable", "cut"));
  }

  // The model

  /** Finds the handlers that have started, and the streams that have begun. */
  #match(): void {
    for (const { foo } of this.#sides) {
      for (const held of foo.held) {
        const expected = this.#callOf(held);
        if (expected === undefined || expected.held === held) continue;
        // Each starts once.
        expect(expected.held).toBe(undefined);
        expected.held = held;
        const { argument } = expected;
        if (argument !== undefined) {
          expected.argumentReader = new ItemReader(held.args, argument);
        }
      }
    }
    for (const expected of this.#calls.values()) {
      const { call, reply } = expected;
      if (expected.reader !== undefined || !isStream(call.reply)) continue;
      if (reply === undefined) throw new Error("a stream that nobody sends");
      expected.reader = new ItemReader(call.reply, reply);
    }
  }

  /** Lets everything come to its end. */
  async #windUp(): Promise<void> {
    for (const pipe of this.#pipes) pipe.resume();
    for (let turn = 0; turn < 10; turn++) await settle();
    this.#match();
    this.#checkSignals();
    for (let turn = 0; this.#isBusy(); turn++) {
      if (turn > 5_000) throw new Error(`it hangs: ${this.#describe()}`);
      for (const held of this.#heldCalls()) this.#answer(held);
      for (const source of this.#sources()) this.#endSource(source);
      for (const reader of this.#readers()) {
        for (let count = 0; count < 20; count++) reader.pull();
      }
      await settle();
      this.#match();
    }
    // Sources of calls that are over wait for an item that they may drop.
    for (const { argument, reply } of this.#calls.values()) {
      argument?.feed.cut();
      reply?.feed.cut();
    }
    await settle();
  }

  /** Handlers whose callers wait no more have been told. */
  #checkSignals(): void {
    for (const held of this.#heldCalls()) {
      const isAwaited = this.#callOf(held)?.call.isOver === false;
      expect(held.context.signal.aborted).toBe(!isAwaited);
    }
  }

  #isBusy(): boolean {
    return (
      this.#heldCalls().length > 0 ||
      this.#sides.some(
        ({ session, runningCount }) =>
          session.inFlightCount > 0 || runningCount > 0,
      ) ||
      this.#readers().length > 0
    );
  }

  #describe(): string {
    return JSON.stringify(
      this.#sides.map(({ session, runningCount }) => ({
        inFlight: session.inFlightCount,
        running: runningCount,
        held: this.#heldCalls().length,
        readers: this.#readers().length,
      })),
    );
  }

  async #check(): Promise<void> {
    for (const expected of this.#calls.values()) this.#checkCall(expected);
    for (const { events } of this.#sides) {
      expect(events.filter(({ kind }) => kind === "connection-cut")).toEqual(
        [],
      );
    }
    if (this.#fate === "lives") await this.#checkWindows();
    const { clock, dial, accept } = this.#ends;
    await clock.advance(1e13);
    expect(clock.timers).toBe(0);
    if (this.#fate !== "is cut") {
      await Promise.all([accept.session.finish(), dial.session.finish()]);
    }
    for (const { isClosed } of this.#sides) expect(isClosed).toBe(true);
    expect(clock.timers).toBe(0);
  }

  #checkCall(expected: Expected): void {
    const { call, listeners, aborted, argument, reply } = expected;
    const { reader, argumentReader } = expected;
    expect(call.outcomes).toHaveLength(1);
    expect(listeners()).toBe(0);
    this.#checkOutcome(expected, call.error);
    if (call.error === undefined && !isStream(call.reply)) {
      this.#checkReply(expected);
    }
    if (aborted === "early") expect(call.error?.code).toBe("cancelled");
    reader?.check();
    argumentReader?.check();
    this.#checkOutcome(expected, errorOf(reader));
    this.#checkArgumentEnd(errorOf(argumentReader));
    if (
      errorOf(reader)?.code === sourceFailure.code &&
      argument?.how !== "failed"
    ) {
      // It came behind the items.
      expect(reader?.received).toBe(reply?.given as number);
    }
    for (const source of [argument, reply]) {
      if (source === undefined) continue;
      // A generator that nobody has asked never began.
      expect(source.feed.ends).toBe(source.feed.pulls > 0 ? 1 : 0);
    }
  }

  #checkArgumentEnd(error: RpcError | undefined): void {
    if (error === undefined) return;
    const codes = ["cancelled", "deadline_exceeded", "unavailable"];
    expect(codes).toContain(error.code);
  }

  #checkReply({ id, call, argument, handlerEnd }: Expected): void {
    if (Array.isArray(call.reply)) {
      expect(call.reply.map(([number]) => number)).toEqual(
        Array.from({ length: argument?.given ?? 0 }, (_, at) => at),
      );
      expect(argument?.how).toBe("ended");
      return;
    }
    expect(call.reply).toBe(handlerEnd === undefined ? id : `re ${id}`);
  }

  #checkOutcome(expected: Expected, error: RpcError | undefined): void {
    const { aborted, deadlineAt, argument, reply, handlerEnd } = expected;
    switch (error?.code) {
      case undefined:
        return;
      case "not_found":
        expect(handlerEnd).toBe("rejected");
        return;
      case "aborted":
        expect([argument?.how, reply?.how]).toContain("failed");
        return;
      case "cancelled":
        expect(aborted).not.toBe("never");
        return;
      case "deadline_exceeded":
        expect(deadlineAt).toBeLessThanOrEqual(this.#ends.clock.now());
        return;
      case "unavailable":
        expect(this.#fate).not.toBe("lives");
        return;
      default:
        throw error;
    }
  }

  /** After a credit for the connection everything is given back that was ever taken. */
  async #checkWindows(): Promise<void> {
    for (const [at, side] of this.#sides.entries()) {
      const other = this.#sides[1 - at] as End;
      const sent = this.#taps[at] as WindowTap;
      const granted = this.#taps[1 - at] as WindowTap;
      const held = other.foo.held.length;
      const source = new Source();
      const call = side.call("hold", source.feed.items());
      await settle();
      const reader = new ItemReader(other.foo.held[held]?.args, source);
      const before = granted.grants;
      while (granted.grants === before) {
        source.give("");
        reader.pull();
        await settle();
      }
      expect(sent.spentBytes - granted.grantedBytes).toBe(0);
      other.foo.held[held]?.resolve("done");
      await settle();
      expect(call.reply).toBe("done");
      source.feed.cut();
      await settle();
    }
  }

  // Choosing

  get #pipes() {
    return [this.#ends.near, this.#ends.far];
  }

  #index(count: number): number {
    return randomIndex(count, this.#random);
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[this.#index(items.length)];
  }

  #pickCall(): Expected | undefined {
    return this.#pick([...this.#calls.values()]);
  }

  #itemChars(): number {
    if (this.#chance(0.9)) return this.#index(200);
    return this.#chance(0.7) ? this.#index(10_000) : this.#index(200_000);
  }

  #sources(): Source[] {
    return [...this.#calls.values()]
      .flatMap(({ argument, reply }) => [argument, reply])
      .filter((source) => source?.how === "open") as Source[];
  }

  #readers(): ItemReader[] {
    return [...this.#calls.values()]
      .flatMap(({ reader, argumentReader }) => [reader, argumentReader])
      .filter((reader) => reader?.isOver === false) as ItemReader[];
  }

  /** Handlers that the test has not ended. */
  #heldCalls(): HeldCall[] {
    return this.#sides
      .flatMap(({ foo }) => foo.held)
      .filter((held) => this.#callOf(held)?.handlerEnd === undefined);
  }

  #callOf({ context }: HeldCall): Expected | undefined {
    return this.#calls.get(context.metadata.get("id") as string);
  }
}

function isStream(reply: unknown): boolean {
  return typeof reply === "object" && reply !== null && "next" in reply;
}

function errorOf(reader: ItemReader | undefined): RpcError | undefined {
  return reader?.end instanceof RpcError ? reader.end : undefined;
}

/** How many listeners a signal has, from now on. */
function countListeners(signal: AbortSignal): () => number {
  let count = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: never) => {
    count++;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: never) => {
    count--;
    removeEventListener.apply(signal, args);
  };
  return () => count;
}
