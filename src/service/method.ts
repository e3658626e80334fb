import { outside } from "../base/outside.ts";
import type { GobType } from "../codec/gob/gob-type.ts";
import { Histogram } from "../metrics/histogram.ts";
import { checkNumber } from "../wire/limits.ts";
import type { AdaptiveLimit } from "./adaptive-limit.ts";
import type { AdaptiveLimitOptions } from "./adaptive-limit-option.ts";
import { enterCall, runInside } from "./call-context.ts";
import type { Context } from "./context.ts";
import { Shape } from "./shape.ts";

/** A function that answers calls. It may answer at once or with a promise. */
export type Handler = (args: never, context: Context) => unknown;

export interface MethodOptions {
  /** The longest that one call may take, in ms; then its caller gets `deadline_exceeded`. 0 is no limit. */
  timeoutMs?: number;
  /** How many calls may run at a time on this server; more are `resource_exhausted`. 0 lets none run. */
  maxRunning?: number;
  /** False where a server's `adaptiveLimit` is not for this method, because it waits by design: a long poll. */
  adaptiveLimit?: boolean;
  /** A call may run more than once with no more effect than once: clients then repeat those of which nobody knows whether they have run. */
  idempotent?: boolean;
  /** On gob connections: the reply's Go type, where its value alone does not tell. */
  gob?: { reply: GobType };
}

/** Above this count only every 1,024th call's argument is looked at. */
const sampledCalls = 8;

/** A method that can be called, with its limits and its counters. */
export class Method {
  readonly serviceMethod: string;
  readonly timeoutMs: number;
  readonly maxRunning: number;
  readonly isIdempotent: boolean;
  readonly replyType: GobType | undefined;
  /** How many may run at a time, as their latency tells, where the server wants that. */
  readonly adaptiveLimit: AdaptiveLimit | undefined;
  readonly #handler: Handler;
  readonly #target: object;
  calls = 0;
  errors = 0;
  inFlight = 0;
  /** How long calls took, in microseconds. */
  readonly latencyUs = new Histogram();
  readonly shape = new Shape();

  /** @throws RpcError invalid_argument  a timeout or a number of calls that is none */
  constructor(
    serviceMethod: string,
    target: object,
    handler: Handler,
    {
      timeoutMs = 0,
      maxRunning = Infinity,
      idempotent = false,
      adaptiveLimit = true,
      gob,
    }: MethodOptions = {},
    limiting?: AdaptiveLimitOptions,
  ) {
    this.serviceMethod = serviceMethod;
    this.#target = target;
    this.#handler = handler;
    this.timeoutMs = checkNumber(`timeoutMs of ${serviceMethod}`, timeoutMs);
    this.maxRunning = checkNumber(`maxRunning of ${serviceMethod}`, maxRunning);
    this.isIdempotent = idempotent;
    this.replyType = gob?.reply;
    this.adaptiveLimit =
      limiting !== undefined && adaptiveLimit
        ? newAdaptiveLimit(limiting)
        : undefined;
  }

  /**
   * Counts a call in and runs the handler, for which `context` is the current
   * call; whoever calls this calls end() once.
   */
  begin(args: unknown, context: Context): unknown {
    this.countIn(args);
    return outside(() => {
      enterCall(context);
      return this.#handler.call(this.#target, args as never, context);
    });
  }

  /** Counts a call in, as begin() does, for an owner that itself calls run(): once, often or never. */
  countIn(args: unknown): void {
    this.inFlight++;
    const calls = ++this.calls;
    if (calls <= sampledCalls || (calls & 1023) === 0) this.shape.add(args);
  }

  /** Runs the handler as begin() does, in a call that has started already: storages of its interceptors reach it. */
  run(args: unknown, context: Context): unknown {
    return runInside(context, () =>
      this.#handler.call(this.#target, args as never, context),
    );
  }

  /** Counts a call out. */
  end(elapsedMs: number, isError: boolean): void {
    this.inFlight--;
    if (isError) this.errors++;
    this.latencyUs.record(elapsedMs * 1000);
  }
}

/** Loaded by the first server that wants one. */
function newAdaptiveLimit(options: AdaptiveLimitOptions): AdaptiveLimit {
  const { AdaptiveLimit } =
    require("./adaptive-limit.ts") as typeof import("./adaptive-limit.ts");
  return new AdaptiveLimit(options);
}
