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
  /** Of one answer, and of one line of those that go on. Default 64 MiB: several times the longest list, in base64. */
  maxAnswerBytes?: number;
}

/** So long one endpoint has to answer while there are others. */
const attemptMs = 1_000;
const defaultMaxAnswerBytes = 64 * 1024 * 1024;
const maxRefusalBytes = 64 * 1024;

/**
 * The nodes of one etcd, asked by JSON over HTTP.
 *
 * All requests go to one of them until it fails, does not answer in time, says
 * that it cannot or answers nonsense; then to the next one, and the streams
 * that it had are cut. `read` makes of parsed JSON what is asked for, and
 * throws where it is nothing of the kind.
 *
 * Errors: `unavailable` (nobody answered, or it was closed: whether the request
 * took effect is unknown), etcd's own code, or what `read` throws as RpcError.
 */
export class EtcdEndpoints {
  readonly clock: Clock;
  readonly #endpoints: readonly string[];
  readonly #fetch: Fetch;
  readonly #maxAnswerBytes: number;
  /** What cuts each stream, and where it comes from. */
  readonly #streams = new Map<AbortController, string>();
  /** What ends each other request. */
  readonly #exchanges = new Set<AbortController>();
  #current = 0;
  #isClosed = false;

  constructor({
    endpoints,
    clock,
    fetch,
    maxAnswerBytes,
  }: EtcdEndpointsOptions) {
    this.clock = clock;
    this.#endpoints = endpoints;
    this.#fetch = fetch ?? globalThis.fetch;
    this.#maxAnswerBytes = maxAnswerBytes ?? defaultMaxAnswerBytes;
  }

  /** Gives the answer, at the instant `until` on the clock at the latest. */
  async post<T>(
    path: string,
    request: object,
    until: number,
    read: (answer: unknown) => T,
  ): Promise<T> {
    const isOnly = this.#endpoints.length === 1;
    let failure = unavailable("etcd: no time was left");
    // Twice also at the only one: a connection that was kept may have ended.
    for (let i = 0; i < Math.max(2, this.#endpoints.length); i++) {
      const endpoint = this.#endpoint;
      const leftMs = until - this.clock.now();
      if (this.#isClosed) throw closedError();
      if (leftMs <= 0) break;
      const timeoutMs = isOnly ? leftMs : Math.min(leftMs, attemptMs);
      try {
        const answer = await this.#exchange(endpoint, path, request, timeoutMs);
        return read(answer);
      } catch (thrown) {
        failure = atEndpoint(endpoint, thrown);
        if (failure.code !== "unavailable") throw failure;
        this.#leave(endpoint);
      }
    }
    throw failure;
  }

  /**
   * Gives the lines of an answer that goes on, the first within a second, each
   * as `read` makes it, until it ends, fails or `signal` aborts: each time it throws.
   *
   * @throws RpcError cancelled  `signal`
   */
  async *lines<T>(
    path: string,
    request: object,
    signal: AbortSignal,
    read: (line: unknown) => T,
  ): AsyncGenerator<T, never> {
    if (this.#isClosed) throw closedError();
    const endpoint = this.#endpoint;
    const cut = new AbortController();
    const isCut = abortOf(cut.signal);
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
      const { signal: isGone } = cut;
      if (!response.ok) throw await this.#refusal(response, attemptMs, isGone);
      for await (const line of linesOf(response, this.#maxAnswerBytes, isCut)) {
        slow.cancel();
        yield read(JSON.parse(line));
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

  /** Ends every request and every stream, with `unavailable`; there are no others from now on. */
  close(): void {
    this.#isClosed = true;
    for (const end of this.#exchanges) end.abort(closedError());
    for (const cut of this.#streams.keys()) cut.abort(closedError());
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

  async #exchange(
    endpoint: string,
    path: string,
    request: object,
    timeoutMs: number,
  ): Promise<unknown> {
    const { clock } = this;
    const end = new AbortController();
    const isEnded = abortOf(end.signal);
    this.#exchanges.add(end);
    const work = async () => {
      const response = await this.#send(endpoint, path, request, end.signal);
      const { signal } = end;
      if (!response.ok) throw await this.#refusal(response, timeoutMs, signal);
      const maxBytes = this.#maxAnswerBytes;
      const limits = { maxBytes, timeoutMs, clock, signal };
      const body = readBody(response, limits).catch((thrown: unknown) => {
        // Another member may answer in time and within the limit.
        throw unavailable(RpcError.from(thrown).message);
      });
      return JSON.parse(await body) as unknown;
    };
    try {
      const answer = Promise.race([work(), isEnded]);
      return await this.within(answer, clock.now() + timeoutMs);
    } finally {
      this.#exchanges.delete(end);
      end.abort();
    }
  }

  async #refusal(
    response: Response,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<RpcError> {
    const { clock } = this;
    const limits = { maxBytes: maxRefusalBytes, timeoutMs, clock, signal };
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
  maxBytes: number,
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
      if (byteCount > maxBytes) throw new Error("a line without end");
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

/** Rejects with its reason once `signal` aborts. */
function abortOf(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  return promise;
}

function closedError(): RpcError {
  return unavailable("the client of etcd is closed");
}

function unavailable(message: string): RpcError {
  return new RpcError("unavailable", message);
}
