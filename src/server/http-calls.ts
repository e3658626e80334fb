import type { Clock } from "../base/clock.ts";
import { refuseUnlessPlain, parseJson } from "../codec/value.ts";
import { type Code, RpcError } from "../errors.ts";
import type { OnEvent } from "../events.ts";
import { type Answerer, Handlers } from "../service/handlers.ts";
import { Invocation } from "../service/invocation.ts";
import type { Services } from "../service/services.ts";
import type { Limits } from "../wire/limits.ts";

export interface HttpCallsOptions {
  services: Services;
  limits: Limits;
  clock: Clock;
  handleTimeoutMs: number;
  onEvent: OnEvent;
}

/** HTTP's word for each code; the body has ours. */
const statuses: Record<Code, number> = {
  cancelled: 499,
  unknown: 500,
  invalid_argument: 400,
  deadline_exceeded: 504,
  not_found: 404,
  already_exists: 409,
  permission_denied: 403,
  resource_exhausted: 429,
  failed_precondition: 400,
  aborted: 409,
  out_of_range: 400,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  data_loss: 500,
  unauthenticated: 401,
};

/**
 * Calls by `POST /rpc/Service.Method`: the body is the argument as JSON, the
 * answer the reply as JSON, an error `{"code","message","details"?}` with a
 * fitting status. They run through the same methods, limits and counters as
 * calls over a session.
 */
export class HttpCalls implements Answerer {
  readonly #limits: Limits;
  readonly #handlers: Handlers;
  readonly #waiting = new Map<number, (response: Response) => void>();
  #seq = 0;
  #drained: (() => void) | undefined;

  constructor({
    services,
    limits,
    clock,
    handleTimeoutMs,
    onEvent,
  }: HttpCallsOptions) {
    this.#limits = limits;
    this.#handlers = new Handlers({
      services,
      answerer: this,
      clock,
      handleTimeoutMs,
      maxRunning: limits.maxRunningHandlers,
      onEvent,
    });
  }

  /** Never rejects: whatever goes wrong is the response. */
  async call(request: Request, serviceMethod: string): Promise<Response> {
    let args: unknown;
    try {
      args = await this.#argument(request);
    } catch (thrown) {
      return errorResponse(RpcError.from(thrown, "invalid_argument"));
    }
    const seq = ++this.#seq;
    const { promise, resolve } = Promise.withResolvers<Response>();
    this.#waiting.set(seq, resolve);
    request.signal.addEventListener("abort", () => this.#giveUp(seq));
    this.#handlers.start(
      new Invocation(seq, serviceMethod, args, 0, false, { address: "http" }),
    );
    return promise;
  }

  /** Resolves once no handler runs. */
  finish(): Promise<void> {
    if (this.#handlers.runningCount === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained = resolve;
    });
  }

  reply({ seq }: Invocation, value: unknown): void {
    try {
      refuseUnlessPlain(value, this.#limits.maxDepth);
    } catch (thrown) {
      const { message } = RpcError.from(thrown);
      this.#answer(
        seq,
        errorResponse(
          new RpcError("internal", `the reply cannot be sent: ${message}`),
        ),
      );
      return;
    }
    this.#answer(seq, jsonResponse(value ?? null, 200));
  }

  fail({ seq }: Invocation, error: RpcError): void {
    this.#answer(seq, errorResponse(error));
  }

  settled(): void {
    if (this.#handlers.runningCount === 0) this.#drained?.();
  }

  #answer(seq: number, response: Response): void {
    this.#waiting.get(seq)?.(response);
    this.#waiting.delete(seq);
  }

  /** The client has gone: the handler's signal aborts, and nobody reads the response. */
  #giveUp(seq: number): void {
    this.#handlers.cancel(seq);
    this.#answer(seq, new Response(null, { status: statuses.cancelled }));
  }

  async #argument(request: Request): Promise<unknown> {
    // A page of another site may post forms and text without asking, but no JSON.
    const type = request.headers.get("content-type") ?? "";
    if (type.split(";", 1)[0]?.trim().toLowerCase() !== "application/json") {
      throw new RpcError(
        "invalid_argument",
        `the content type is "${type}": send JSON with Content-Type: application/json`,
      );
    }
    const text = await this.#body(request);
    return text === "" ? undefined : parseJson(text, this.#limits.maxDepth);
  }

  async #body(request: Request): Promise<string> {
    const { maxMessageBytes } = this.#limits;
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of request.body ?? []) {
      length += chunk.length;
      if (length > maxMessageBytes) {
        throw new RpcError(
          "resource_exhausted",
          `the body is longer than ${maxMessageBytes} bytes`,
        );
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString("utf8");
  }
}

export function errorResponse(error: RpcError): Response {
  return jsonResponse(error.toJSON(), statuses[error.code]);
}

function jsonResponse(value: unknown, status: number): Response {
  return new Response(`${JSON.stringify(value)}\n`, {
    status,
    headers: { "Content-Type": "application/json" },
  });
}
