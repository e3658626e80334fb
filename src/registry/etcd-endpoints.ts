import type { Clock } from "../base/clock.ts";
import { codeOf, RpcError } from "../errors.ts";
import { cutText } from "../events.ts";
import { readBody } from "../http/body.ts";
import type { Fetch } from "./request.ts";

export interface EtcdEndpointsOptions {
  /** `http://host:port`, at least one. */
  endpoints: readonly string[];
  clock: Clock;
  fetch?: Fetch;
}

/** So long one endpoint has to answer while there are others. */
const attemptMs = 1_000;
/** Of one answer: several times the longest list, in base64. */
const maxAnswerBytes = 64 * 1024 * 1024;
const maxRefusalBytes = 64 * 1024;

/**
 * The nodes of one etcd, asked by JSON over HTTP.
 *
 * All requests go to one of them until it fails, does not answer in time or
 * says that it cannot; then to the next one, and the streams that it had are
 * cut.
 *
 * Errors: `unavailable` (nobody answered: whether the request took effect is
 * unknown) or etcd's own code.
 */
export class EtcdEndpoints {
  readonly clock: Clock;
  readonly #endpoints: readonly string[];
  readonly #fetch: Fetch;
  /** What cuts each stream, and where it comes from. */
  readonly #streams = new Map<AbortController, string>();
  #current = 0;

  constructor({ endpoints, clock, fetch }: EtcdEndpointsOptions) {
    this.clock = clock;
    this.#endpoints = endpoints;
    this.#fetch = fetch ?? globalThis.fetch;
  }

  /** Gives the answer, at the instant `until` on the clock at the latest. */
  async post<T>(path: string, request: object, until: number): Promise<T> {
    const isOnly = this.#endpoints.length === 1;
    let failure = unavailable("etcd: no time was left");
    // Twice also at the only one: a connection that was kept may have ended.
    for (let i = 0; i < Math.max(2, this.#endpoints.length); i++) {
      const endpoint = this.#endpoint;
      const leftMs = until - this.clock.now();
      if (leftMs <= 0) break;
      const timeoutMs = isOnly ? leftMs : Math.min(leftMs, attemptMs);
      try {
        return await this.#exchange<T>(endpoint, path, request, timeoutMs);
      } catch (thrown) {
        failure = atEndpoint(endpoint, thrown);
        if (failure.code !== "unavailable") throw failure;
        this.#leave(endpoint);
      }
    }
    throw failure;
  }

  /**
   * Gives the lines of an answer that goes on, the first within a second,
   * until it ends, fails or `signal` aborts: each time it throws.
   *
   * @throws RpcError cancelled  `signal`
   */
  async *lines(
    path: string,
    request: object,
    signal: AbortSignal,
  ): AsyncGenerator<string, never> {
    const endpoint = this.#endpoint;
    const cut = new AbortController();
    const { promise: isCut, reject } = Promise.withResolvers<never>();
    isCut.catch(() => {});
    cut.signal.addEventListener("abort", () => reject(cut.signal.reason));
    const onAbort = () => cut.abort(RpcError.fromAbort(signal));
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    this.#streams.set(cut, endpoint);
    const slow = this.clock
      .after(attemptMs, () => this.#leave(endpoint))
      .unref();
    try {
      const sent = this.#send(endpoint, path, request, cut.signal);
      const response = await Promise.race([sent, isCut]);
      if (!response.ok) throw await this.#refusal(response, attemptMs);
      for await (const line of linesOf(response, isCut)) {
        slow.cancel();
        yield line;
      }
      throw new Error("the stream ended");
    } catch (thrown) {
      const error = atEndpoint(endpoint, thrown);
      if (error.code === "unavailable") this.#leave(endpoint);
      throw error;
    } finally {
      slow.cancel();
      signal.removeEventListener("abort", onAbort);
      this.#streams.delete(cut);
      cut.abort();
    }
  }

  /**
   * Waits for `promise` until that instant.
   *
   * @throws RpcError unavailable  it is past
   */
  async within<T>(promise: Promise<T>, until: number): Promise<T> {
    const { promise: isLate, reject } = Promise.withResolvers<never>();
    const leftMs = Math.max(0, until - this.clock.now());
    const timer = this.clock
      .after(leftMs, () => reject(unavailable("etcd: no answer in time")))
      .unref();
    try {
      return await Promise.race([promise, isLate]);
    } finally {
      timer.cancel();
    }
  }

  get #endpoint(): string {
    return this.#endpoints[this.#current] as string;
  }

  /** Goes on to the next endpoint, unless that was done already. */
  #leave(endpoint: string): void {
    if (this.#endpoint === endpoint) {
      this.#current = (this.#current + 1) % this.#endpoints.length;
    }
    for (const [cut, at] of this.#streams) {
      if (at === endpoint) cut.abort(unavailable("it was left"));
    }
  }

  async #exchange<T>(
    endpoint: string,
    path: string,
    request: object,
    timeoutMs: number,
  ): Promise<T> {
    const { clock } = this;
    const late = new AbortController();
    const work = async () => {
      const response = await this.#send(endpoint, path, request, late.signal);
      if (!response.ok) throw await this.#refusal(response, timeoutMs);
      const limits = { maxBytes: maxAnswerBytes, timeoutMs, clock };
      return JSON.parse(await readBody(response, limits)) as T;
    };
    try {
      return await this.within(work(), clock.now() + timeoutMs);
    } finally {
      late.abort();
    }
  }

  async #refusal(response: Response, timeoutMs: number): Promise<RpcError> {
    const { clock } = this;
    const limits = { maxBytes: maxRefusalBytes, timeoutMs, clock };
    const body = await readBody(response, limits).catch(() => "");
    return refusalOf(response.status, body);
  }

  #send(
    endpoint: string,
    path: string,
    request: object,
    signal: AbortSignal,
  ): Promise<Response> {
    return this.#fetch(endpoint + path, {
      method: "POST",
      body: JSON.stringify(request),
      redirect: "manual",
      signal,
    });
  }
}

/** The lines of a body that goes on, until it ends or `isCut` rejects. */
async function* linesOf(
  { body }: Response,
  isCut: Promise<never>,
): AsyncGenerator<string> {
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let parts: string[] = [];
  let byteCount = 0;
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), isCut]);
      if (done) return;
      const [rest = "", ...lines] = decoder
        .decode(value, { stream: true })
        .split("\n");
      parts.push(rest);
      for (const line of lines) {
        yield parts.join("");
        parts = [line];
        byteCount = 0;
      }
      byteCount += value.byteLength;
      if (byteCount > maxAnswerBytes) throw new Error("a line without end");
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** What etcd says instead of an answer: `{"code","message"}`, code as of gRPC. */
function refusalOf(status: number, body: string): RpcError {
  let said: { code?: unknown; message?: unknown } = {};
  try {
    said = JSON.parse(body) as typeof said;
  } catch {
    // Something else answers there.
  }
  const code = typeof said?.code === "number" ? codeOf(said.code) : undefined;
  const isAway = status >= 500 || code === "deadline_exceeded";
  return new RpcError(
    isAway || code === undefined ? "unavailable" : code,
    `${status} ${String(said?.message ?? "")}`.trim(),
  );
}

/** Says where it went wrong; what is no RpcError is the network's. */
function atEndpoint(endpoint: string, thrown: unknown): RpcError {
  const { code, message } = RpcError.from(thrown, "unavailable");
  const options = { cause: thrown };
  return new RpcError(code, `etcd ${endpoint}: ${cutText(message)}`, options);
}

function unavailable(message: string): RpcError {
  return new RpcError("unavailable", message);
}
