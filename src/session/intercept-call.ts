import { closeUnread, isAsyncIterable } from "../base/async-values.ts";
import type { Clock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import { type CallOptions, checkTimeout } from "../service/call-options.ts";
import {
  type InterceptedCall,
  type Interceptor,
  intercept,
} from "../service/interceptor.ts";
import { checkMetadata } from "../wire/metadata.ts";
import {
  checkServiceMethod,
  checkSignal,
  checkTimeoutUntil,
} from "./call-terms.ts";

/**
 * Lets a call that is being made pass its interceptors, and then `call`.
 *
 * The timeout and the signal that it is made with end it wherever it is, also
 * while an interceptor waits for something else; each `call` gets what is left
 * of the time. A reply that comes when it is over is let go.
 */
export async function interceptCall<Options extends CallOptions>(
  interceptors: readonly Interceptor[],
  serviceMethod: string,
  args: unknown,
  options: Options | undefined,
  call: (
    serviceMethod: string,
    args: unknown,
    options: Options,
  ) => Promise<unknown>,
  clock: Clock,
): Promise<unknown> {
  const { timeoutMs, timeoutUntil, signal, onMetadata, metadata } =
    options ?? {};
  try {
    checkServiceMethod(serviceMethod);
    if (timeoutMs !== undefined) checkTimeout("timeoutMs", timeoutMs);
    checkTimeoutUntil(timeoutUntil);
    checkSignal(signal);
    const end = new CallEnd(serviceMethod, timeoutMs, signal, clock);
    return await end.wait(() =>
      intercept(
        interceptors,
        {
          side: "client",
          serviceMethod,
          args,
          metadata: (metadata && checkMetadata(metadata)) ?? new Map(),
          timeoutMs,
          timeoutUntil,
          signal,
          onMetadata,
        },
        (passed) =>
          call(
            passed.serviceMethod,
            passed.args,
            end.bound(optionsOf(passed, options)),
          ),
      ),
    );
  } catch (thrown) {
    throw RpcError.from(thrown);
  }
}

/** When a call is over for all of its interceptors: at its own timeout or signal. */
class CallEnd {
  readonly #serviceMethod: string;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  /** Undefined where the call has no limit of its own. */
  readonly #clock: Clock | undefined;
  readonly #endsAt: number;

  constructor(
    serviceMethod: string,
    timeoutMs: number | undefined,
    signal: AbortSignal | undefined,
    clock: Clock,
  ) {
    this.#serviceMethod = serviceMethod;
    this.#timeoutMs = timeoutMs || Infinity;
    this.#signal = signal;
    this.#clock = this.#timeoutMs < Infinity ? clock : undefined;
    this.#endsAt = (this.#clock?.now() ?? 0) + this.#timeoutMs;
  }

  /** @throws RpcError deadline_exceeded, cancelled, or what `work` rejects with */
  async wait(work: () => Promise<unknown>): Promise<unknown> {
    const clock = this.#clock;
    const signal = this.#signal;
    if (clock === undefined && signal === undefined) return work();
    if (signal?.aborted) throw RpcError.fromAbort(signal);
    const over = Promise.withResolvers<never>();
    let isOver = false;
    const end = (error: RpcError): void => {
      isOver = true;
      over.reject(error);
    };
    const onAbort = (): void => end(RpcError.fromAbort(signal as AbortSignal));
    const timer = clock?.after(this.#timeoutMs, () => end(this.#expired()));
    signal?.addEventListener("abort", onAbort);
    try {
      const reply = work();
      reply.then(
        (late) => void (isOver && letGo(late)),
        () => {},
      );
      return await Promise.race([reply, over.promise]);
    } finally {
      timer?.cancel();
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /**
   * The options of a call that is passed on now, within this end. Where an
   * interceptor has set a signal of its own, either one counts.
   *
   * @throws RpcError deadline_exceeded
   */
  bound<Options extends CallOptions>(options: Options): Options {
    const { signal } = options;
    if (this.#signal !== undefined && signal !== this.#signal) {
      options.signal =
        signal === undefined
          ? this.#signal
          : AbortSignal.any([this.#signal, signal]);
    }
    if (this.#clock !== undefined) {
      const leftMs = this.#endsAt - this.#clock.now();
      if (leftMs <= 0) throw this.#expired();
      options.timeoutMs = Math.min(options.timeoutMs || Infinity, leftMs);
    }
    return options;
  }

  #expired(): RpcError {
    return new RpcError(
      "deadline_exceeded",
      `${this.#serviceMethod} was not answered within ${Math.ceil(this.#timeoutMs)} ms`,
    );
  }
}

/** A stream that comes too late for its reader. */
function letGo(reply: unknown): void {
  if (isAsyncIterable(reply)) closeUnread(reply).catch(() => {});
}

/** The options of a call as an interceptor has passed it on. */
function optionsOf<Options extends CallOptions>(
  passed: InterceptedCall,
  options: Options | undefined,
): Options {
  const changed: CallOptions = { ...options, metadata: passed.metadata };
  if (passed.side === "client") {
    const { timeoutMs, timeoutUntil, signal, onMetadata } = passed;
    if (timeoutMs !== undefined) changed.timeoutMs = timeoutMs;
    if (timeoutUntil !== undefined) changed.timeoutUntil = timeoutUntil;
    if (signal !== undefined) changed.signal = signal;
    if (onMetadata !== undefined) changed.onMetadata = onMetadata;
  }
  return changed as Options;
}
