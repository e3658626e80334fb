import { expect, test } from "bun:test";
import { type Random, randomIndex } from "../../src/base/random.ts";
import { jsonCodecType } from "../../src/codec/table.ts";
import { RpcError } from "../../src/errors.ts";
import { type ManualClock, settle } from "../support/manual-clock.ts";
import { testRandom } from "../support/seed.ts";
import {
  type End,
  type HeldCall,
  type StartedCall,
  twoEnds,
} from "./two-ends.ts";

/** What the model knows of a call: all that may become of it. */
interface Expected {
  call: StartedCall;
  method: "echo" | "hold";
  body: string;
  /** Infinity where it has no limit. */
  deadlineAt: number;
  isAborted: boolean;
  controller: AbortController;
}

/** How the test ended a held call; by its argument, which is no other call's. */
type Ends = Map<string, "replied" | "rejected">;

/** A random run of both ends, with a model of what every call may come to. */
class Program {
  readonly #random: Random;
  readonly #clock: ManualClock;
  readonly #ends: readonly End[];
  readonly #pipes: { pause(): void; resume(): void }[];
  readonly #calls: Expected[] = [];
  readonly #ended: Ends = new Map();
  readonly #canCancel: boolean;
  #lastId = 0;

  constructor(random: Random, codec: string | undefined) {
    this.#random = random;
    this.#canCancel = codec === undefined;
    const { clock, near, far, dial, accept } = twoEnds({
      ...(codec === undefined ? {} : { codec }),
      capacityBytes: 1 + randomIndex(200_000, random),
      limits: {
        maxQueuedBytes: 1 + randomIndex(300_000, random),
        stallTimeoutMs: 1e12,
      },
    });
    this.#clock = clock;
    // A JSON connection has requests in one direction only.
    this.#ends = this.#canCancel ? [dial, accept] : [dial];
    this.#pipes = [near, far];
    this.#accept = accept;
    this.#dial = dial;
  }

  readonly #dial: End;
  readonly #accept: End;

  async run(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) await this.#step();
    const isCut = this.#random() < 0.3;
    if (isCut) this.#dial.session.abort(new RpcError("unavailable", "cut"));
    await this.#finish();
    this.#check(isCut);
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[randomIndex(items.length, this.#random)];
  }

  async #step(): Promise<void> {
    const dice = this.#random();
    if (dice < 0.4) this.#start();
    else if (dice < 0.5) this.#abort();
    else if (dice < 0.7) this.#end(this.#pick(this.#heldCalls()));
    else if (dice < 0.75) this.#pick(this.#pipes)?.pause();
    else if (dice < 0.85) for (const pipe of this.#pipes) pipe.resume();
    else if (dice < 0.9) this.#notify();
    else if (dice < 0.95) await settle();
    else {
      await this.#clock.advance(randomIndex(40, this.#random));
      for (const { call, deadlineAt } of this.#calls) {
        if (deadlineAt <= this.#clock.now()) expect(call.isOver).toBe(true);
      }
    }
  }

  /** A body that is no other call's: its number, and now and then a lot behind it. */
  #body(): string {
    const isLarge = this.#random() < 0.15;
    const filler = isLarge ? randomIndex(300_000, this.#random) : 5;
    return `${++this.#lastId}:${"x".repeat(filler)}`;
  }

  #start(): void {
    const end = this.#pick(this.#ends) as End;
    const method = this.#random() < 0.5 ? "echo" : "hold";
    const timeoutMs =
      this.#random() < 0.4 ? 1 + randomIndex(100, this.#random) : 0;
    const controller = new AbortController();
    const { signal } = controller;
    const body = this.#body();
    const call = end.call(method, body, { timeoutMs, signal });
    const deadlineAt =
      timeoutMs === 0 ? Infinity : this.#clock.now() + timeoutMs;
    this.#calls.push({
      call,
      method,
      body,
      deadlineAt,
      isAborted: false,
      controller,
    });
  }

  #abort(): void {
    const expected = this.#pick(this.#calls);
    if (expected === undefined || expected.call.isOver) return;
    expected.isAborted = true;
    expected.controller.abort();
    expect(expected.call.outcomes).toHaveLength(1);
  }

  #notify(): void {
    if (!this.#canCancel) return;
    try {
      this.#pick(this.#ends)?.session.notify("Foo.echo", this.#body());
    } catch (thrown) {
      expect(thrown).toMatchObject({ code: "resource_exhausted" });
    }
  }

  #heldCalls(): HeldCall[] {
    return [this.#dial, this.#accept]
      .flatMap(({ foo }) => foo.held)
      .filter(({ args }) => !this.#ended.has(args as string));
  }

  #end(held: HeldCall | undefined): void {
    if (held === undefined) return;
    const body = held.args as string;
    const isReply = this.#random() < 0.8;
    this.#ended.set(body, isReply ? "replied" : "rejected");
    if (isReply) held.resolve(`re ${body}`);
    else held.reject(new RpcError("not_found", body.slice(0, 20)));
  }

  /** Lets everything come to its end. */
  async #finish(): Promise<void> {
    do {
      for (const pipe of this.#pipes) pipe.resume();
      for (const held of this.#heldCalls()) this.#end(held);
      await settle();
    } while (
      this.#heldCalls().length > 0 ||
      this.#dial.session.inFlightCount + this.#accept.session.inFlightCount > 0
    );
  }

  #check(isCut: boolean): void {
    for (const expected of this.#calls) {
      expect(expected.call.outcomes).toHaveLength(1);
      this.#checkOutcome(expected, isCut);
    }
    const started = [this.#dial, this.#accept].flatMap(
      ({ foo }) => foo.started,
    );
    expect(new Set(started).size).toBe(started.length);
    expect(this.#dial.runningCount + this.#accept.runningCount).toBe(0);
  }

  #checkOutcome(expected: Expected, isCut: boolean): void {
    const { call, method, body, deadlineAt, isAborted } = expected;
    const { error, reply } = call;
    switch (error?.code) {
      case undefined:
        expect(reply).toBe(method === "echo" ? body : `re ${body}`);
        if (method === "hold") expect(this.#ended.get(body)).toBe("replied");
        break;
      case "not_found":
        expect(error?.message).toBe(body.slice(0, 20));
        expect(this.#ended.get(body)).toBe("rejected");
        break;
      case "cancelled":
        expect(isAborted).toBe(true);
        break;
      case "deadline_exceeded":
        expect(deadlineAt).toBeLessThanOrEqual(this.#clock.now());
        break;
      case "unavailable":
        expect(isCut).toBe(true);
        break;
      default:
        throw error;
    }
    if (isAborted) expect(error?.code).toBe("cancelled");
  }

  /** Alarms of deadlines that were met ring once and do nothing; both sessions can finish. */
  async close(): Promise<void> {
    await this.#clock.advance(1e13);
    for (const { call } of this.#calls) expect(call.outcomes).toHaveLength(1);
    expect(this.#clock.timers).toBe(0);
    const all = [this.#accept.session.finish(), this.#dial.session.finish()];
    await Promise.all(all);
  }
}

for (const codec of [undefined, jsonCodecType]) {
  test(`a random program ends every call once and leaves nothing: ${codec ?? "binary"}`, async () => {
    const random = testRandom();
    for (let run = 0; run < 40; run++) {
      const program = new Program(random, codec);
      await program.run(150);
      await program.close();
    }
  });
}
