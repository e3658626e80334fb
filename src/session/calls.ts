import { isAsyncIterable } from "../base/async-values.ts";
import { boundIterable } from "../base/bound-iterable.ts";
import type { Clock } from "../base/clock.ts";
import type { Form } from "../codec/codec.ts";
import { RpcError } from "../errors.ts";
import type { CallOptions, NotifyOptions } from "../service/call-options.ts";
import type { Interceptor } from "../service/interceptor.ts";
import type { Metadata } from "../wire/metadata.ts";
import { Call, CallPromise } from "./call.ts";
import { checkServiceMethod, isBare, termsOf } from "./call-terms.ts";
import { interceptCall } from "./intercept-call.ts";
import { type Outcome, PendingCall } from "./pending-call.ts";

const noOptions: CallOptions = {};

/** What calls are made over: a session. */
export interface CallStarter {
  start(call: PendingCall): void;
  notify(
    serviceMethod: string,
    args: unknown,
    form?: Form,
    metadata?: Metadata,
  ): void;
}

export interface CallsOptions {
  clock: Clock;
  /** Of calls that do not say, in ms; 0 is none. */
  callTimeoutMs: number;
  /** Stand around each call, the first one outermost. */
  interceptors: readonly Interceptor[];
}

/**
 * Calls as users make them, on either end of a session: options are checked,
 * defaults filled in, and what the call being served here hands down is added.
 */
export class Calls {
  readonly #session: CallStarter;
  readonly #options: CallsOptions;

  constructor(session: CallStarter, options: CallsOptions) {
    this.#session = session;
    this.#options = options;
  }

  call(
    serviceMethod: string,
    args: unknown,
    options?: CallOptions,
  ): Promise<unknown> {
    const { interceptors, clock } = this.#options;
    if (interceptors.length > 0) {
      return interceptCall(
        interceptors,
        serviceMethod,
        args,
        options,
        (...passed) => this.#call(...passed),
        clock,
      );
    }
    return this.#call(serviceMethod, args, options);
  }

  /**
   * Starts a call that isBare(), with so many ms until its reply; 0 is no
   * limit. Passes no interceptor.
   */
  begin(
    serviceMethod: string,
    args: unknown,
    outcome: Outcome,
    timeoutMs: number,
  ): void {
    const call = new PendingCall(
      serviceMethod,
      args,
      outcome,
      timeoutMs,
      undefined,
      undefined,
    );
    call.isUntilReply = timeoutMs > 0;
    this.#session.start(call);
  }

  go(serviceMethod: string, args: unknown, options?: CallOptions): Call {
    const call = new Call(serviceMethod, args);
    if (this.#options.interceptors.length === 0) {
      this.#start(serviceMethod, args, call, options);
    } else call.follow(this.call(serviceMethod, args, options));
    return call;
  }

  async notify(
    serviceMethod: string,
    args: unknown,
    options: NotifyOptions = noOptions,
  ): Promise<void> {
    const { interceptors, clock } = this.#options;
    if (interceptors.length === 0) {
      this.#notify(serviceMethod, args, options);
      return;
    }
    await interceptCall(
      interceptors,
      serviceMethod,
      args,
      options,
      async (...passed) => this.#notify(...passed),
      clock,
    );
  }

  #call(
    serviceMethod: string,
    args: unknown,
    options: CallOptions | undefined,
  ): Promise<unknown> {
    const outcome = new CallPromise();
    this.#start(serviceMethod, args, outcome, options);
    return outcome.promise;
  }

  #notify(
    serviceMethod: string,
    args: unknown,
    { gob, body, metadata }: NotifyOptions,
  ): void {
    checkServiceMethod(serviceMethod);
    const { clock } = this.#options;
    const terms = termsOf(args, metadata ? { metadata } : noOptions, clock, 0);
    this.#session.notify(serviceMethod, args, gob ?? body, terms.metadata);
  }

  #start(
    serviceMethod: string,
    args: unknown,
    outcome: Outcome,
    options: CallOptions = noOptions,
  ): void {
    try {
      checkServiceMethod(serviceMethod);
      // Most calls: nothing to ask for and nothing to hand down. Worth 4 % of a call.
      if (options === noOptions && isBare(args)) {
        this.begin(serviceMethod, args, outcome, this.#options.callTimeoutMs);
        return;
      }
      this.#session.start(this.#callOf(serviceMethod, args, outcome, options));
    } catch (thrown) {
      outcome.failed(RpcError.from(thrown));
    }
  }

  /** @throws RpcError cancelled, deadline_exceeded, invalid_argument */
  #callOf(
    serviceMethod: string,
    args: unknown,
    outcome: Outcome,
    options: CallOptions,
  ): PendingCall {
    const { clock, callTimeoutMs } = this.#options;
    const { timeoutMs, isUntilReply, signal, metadata } = termsOf(
      args,
      options,
      clock,
      callTimeoutMs,
    );
    const call = new PendingCall(
      serviceMethod,
      isAsyncIterable(args) ? boundIterable(args) : args,
      outcome,
      timeoutMs,
      signal,
      options.gob ?? options.body,
    );
    call.isUntilReply = isUntilReply;
    call.metadata = metadata;
    call.onMetadata = options.onMetadata;
    return call;
  }
}
