import { closeUnread } from "../base/async-values.ts";
import type { Clock } from "../base/clock.ts";
import { parseJson, refuseUnlessPlain, stringifyJson } from "../codec/value.ts";
import { RpcError } from "../errors.ts";
import type { OnEvent } from "../events.ts";
import { jsonAnswer } from "../http/answer.ts";
import { bodyStatus, readBody } from "../http/body.ts";
import type { Peer } from "../service/context.ts";
import { silentPeer } from "../service/silent-peer.ts";
import { type Answerer, Handlers } from "../service/handlers.ts";
import type { Interceptor } from "../service/interceptor.ts";
import { Invocation } from "../service/invocation.ts";
import type { Services } from "../service/services.ts";
import { drainError } from "../session/callee.ts";
import type { Limits } from "../wire/limits.ts";
import { errorAnswer, goneAnswer } from "./http-answers.ts";
import { readTimeoutMs, timeoutHeader } from "./timeout-header.ts";

export interface HttpCallsOptions {
  services: Services;
  limits: Limits;
  clock: Clock;
  handleTimeoutMs: number;
  interceptors: readonly Interceptor[];
  onEvent: OnEvent;
  /** False while the server drains: new calls are refused as not started. */
  isAccepting(): boolean;
}

/** A request that has no answer yet. */
interface Waiting {
  readonly serviceMethod: string;
  readonly peer: Peer;
  /** Counts against the caller's time: the body may be slow. */
  readonly arrivedAt: number;
  answer(response: Response): void;
  isStarted: boolean;
}

/** From a request's head to the last byte of its body. */
const bodyTimeoutMs = 30_000;
const somewhere = silentPeer("http");

/**
 * Calls by `POST /rpc/Service.Method`: the body is the argument as JSON, the
 * answer the reply as JSON, an error `{"code","message","details"?}` with a
 * fitting status; `X-Geerpc-Timeout` is how long the caller waits. They run through the same methods, limits and counters as
 * calls over a session.
 */
export class HttpCalls implements Answerer {
  readonly #options: HttpCallsOptions;
  readonly #handlers: Handlers;
  readonly #waiting = new Map<number, Waiting>();
  #seq = 0;
  /** Waiting requests whose handler was started. */
  #startedCount = 0;
  readonly #drained: (() => void)[] = [];

  constructor(options: HttpCallsOptions) {
    const { services, limits, clock, handleTimeoutMs, onEvent } = options;
    const { interceptors } = options;
    this.#options = options;
    this.#handlers = new Handlers(this, {
      services,
      clock,
      handleTimeoutMs,
      maxRunning: limits.maxRunningHandlers,
      interceptors,
      onEvent,
    });
  }

  /** Never rejects: whatever goes wrong is the response. */
  call(
    request: Request,
    serviceMethod: string,
    remoteHost?: string,
  ): Promise<Response> {
    if (!this.#options.isAccepting()) {
      return Promise.resolve(this.#errorAnswer(drainError()));
    }
    const { promise, resolve } = Promise.withResolvers<Response>();
    const seq = ++this.#seq;
    this.#waiting.set(seq, {
      serviceMethod,
      peer: remoteHost === undefined ? somewhere : peerAt(remoteHost),
      arrivedAt: this.#options.clock.now(),
      answer: resolve,
      isStarted: false,
    });
    if (request.signal.aborted) this.#giveUp(seq);
    request.signal.addEventListener("abort", () => this.#giveUp(seq), {
      once: true,
    });
    void this.#read(request, seq);
    return promise;
  }

  /** Resolves once no handler runs whose answer somebody waits for. */
  finish(): Promise<void> {
    if (this.#startedCount === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  /** Answers every request with `error` now; handlers' signals abort. */
  close(error: RpcError): void {
    this.#handlers.abortAll(error);
    for (const seq of [...this.#waiting.keys()]) {
      this.#answer(seq, this.#errorAnswer(error));
    }
  }

  reply({ seq }: Invocation, value: unknown): void {
    const { maxDepth, maxMessageBytes } = this.#options.limits;
    let json: string;
    try {
      refuseUnlessPlain(value, maxDepth);
      json = value === undefined ? "null" : stringifyJson(value);
    } catch (thrown) {
      const { message } = RpcError.from(thrown);
      this.#fail(seq, "internal", `the reply cannot be sent: ${message}`);
      return;
    }
    if (Buffer.byteLength(json) > maxMessageBytes) {
      this.#fail(
        seq,
        "resource_exhausted",
        `the reply is longer than ${maxMessageBytes} bytes`,
      );
    } else this.#answer(seq, jsonAnswer(json));
  }

  fail({ seq }: Invocation, error: RpcError): void {
    this.#answer(seq, this.#errorAnswer(error));
  }

  /** One reply is one JSON text. */
  async stream(
    _invocation: Invocation,
    items: AsyncIterable<unknown>,
  ): Promise<void> {
    await closeUnread(items);
    throw new RpcError(
      "unimplemented",
      "the reply is a stream, which a POST cannot carry: use a geerpc client",
    );
  }

  settled(): void {}

  async #read(request: Request, seq: number): Promise<void> {
    const { headers } = request;
    let timeoutMs: number;
    let args: unknown;
    try {
      checkContentType(headers.get("content-type") ?? "");
      timeoutMs = readTimeoutMs(headers.get(timeoutHeader));
      const body = await this.#readBody(request, seq);
      if (body === undefined) return;
      const { maxDepth } = this.#options.limits;
      args = body === "" ? undefined : parseJson(body, maxDepth);
    } catch (thrown) {
      const error = RpcError.from(thrown, "invalid_argument");
      this.#answer(seq, this.#errorAnswer(error));
      return;
    }
    this.#start(seq, args, timeoutMs);
  }

  /** Undefined where the body was not read to its end and the answer says so. */
  async #readBody(request: Request, seq: number): Promise<string | undefined> {
    const { limits, clock } = this.#options;
    const maxBytes = limits.maxMessageBytes;
    try {
      return await readBody(request, {
        maxBytes,
        timeoutMs: bodyTimeoutMs,
        clock,
      });
    } catch (thrown) {
      const error = RpcError.from(thrown, "invalid_argument");
      const status = bodyStatus(error);
      const response = errorAnswer(error, limits.maxDepth, status);
      // The rest of the body may still be under way.
      response.headers.set("Connection", "close");
      this.#answer(seq, response);
      return undefined;
    }
  }

  #start(seq: number, args: unknown, timeoutMs: number): void {
    const waiting = this.#waiting.get(seq);
    if (waiting === undefined) return; // It went, or the server closed, while the body came.
    if (!this.#options.isAccepting()) {
      this.#answer(seq, this.#errorAnswer(drainError()));
      return;
    }
    waiting.isStarted = true;
    this.#startedCount++;
    const { serviceMethod, peer, arrivedAt } = waiting;
    const invocation = new Invocation(
      seq,
      serviceMethod,
      args,
      timeoutMs,
      false,
      peer,
    );
    invocation.arrivedAt = arrivedAt;
    this.#handlers.start(invocation);
  }

  #fail(
    seq: number,
    code: "internal" | "resource_exhausted",
    message: string,
  ): void {
    this.#answer(seq, this.#errorAnswer(new RpcError(code, message)));
  }

  #answer(seq: number, response: Response): void {
    const waiting = this.#waiting.get(seq);
    if (waiting === undefined) return;
    this.#waiting.delete(seq);
    waiting.answer(response);
    if (!waiting.isStarted || --this.#startedCount > 0) return;
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  /** The client has gone: the handler's signal aborts. */
  #giveUp(seq: number): void {
    this.#handlers.cancel(seq);
    this.#answer(seq, goneAnswer());
  }

  #errorAnswer(error: RpcError): Response {
    return errorAnswer(error, this.#options.limits.maxDepth);
  }
}

function peerAt(host: string): Peer {
  return silentPeer(`http@${host.includes(":") ? `[${host}]` : host}`);
}

/**
 * A page of another site may post forms and text without asking, but no JSON.
 *
 * @throws RpcError invalid_argument
 */
function checkContentType(type: string): void {
  if (type.split(";", 1)[0]?.trim().toLowerCase() === "application/json") {
    return;
  }
  throw new RpcError(
    "invalid_argument",
    `the content type is "${type.slice(0, 100)}": send JSON with Content-Type: application/json`,
  );
}
