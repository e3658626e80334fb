import type { Clock } from "../base/clock.ts";
import { cutText } from "../events.ts";
import { RpcError } from "../errors.ts";
import { type BodyOptions, readBody } from "../http/body.ts";

/** What is needed of `fetch`: tests and users' own proxies put theirs here. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface RegistryRequestOptions {
  fetch: Fetch;
  clock: Clock;
  /** From the dial to the last byte of the body. */
  timeoutMs: number;
  /** Bytes of the body that are kept: an endless answer. */
  maxAnswerBytes: number;
  /** Sent as `Authorization: Bearer …`. */
  token?: string | undefined;
  /** The next request comes at once: the connection may wait for it. */
  isFollowed?: boolean;
  /** Gives the request up. */
  signal?: AbortSignal;
}

export interface RegistryAnswer {
  readonly headers: Headers;
  readonly body: string;
}

/**
 * Sends one request to a registry and gives its whole 2xx answer.
 *
 * Ends within `timeoutMs`, also when `fetch` ignores its signal. A redirect is
 * a failure: following one turns a POST into a GET, which registers nobody,
 * and would carry the token elsewhere.
 * Each request has a connection of its own, unless it is followed by another:
 * they come as seldom as idle connections are dropped, and one that is dropped
 * just then would fail it.
 *
 * @throws RpcError unavailable (sent: false)  names the URL and the reason: no
 *   connection, no answer in time, a status other than 2xx, too long a body
 */
export async function requestRegistry(
  url: string,
  init: RequestInit,
  options: RegistryRequestOptions,
): Promise<RegistryAnswer> {
  const { clock, timeoutMs, signal } = options;
  const controller = new AbortController();
  const { promise: givenUp, reject } = Promise.withResolvers<never>();
  const giveUp = (reason: string) => {
    reject(new Error(reason));
    controller.abort();
  };
  const timer = clock
    .after(timeoutMs, () => giveUp(`no answer within ${timeoutMs} ms`))
    .unref();
  const onAbort = () => giveUp("the request was given up");
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  try {
    return await Promise.race([
      givenUp,
      exchange(url, { ...init, signal: controller.signal }, options),
    ]);
  } catch (cause) {
    const reason = cutText(RpcError.from(cause).message);
    throw new RpcError("unavailable", `registry ${url}: ${reason}`, {
      sent: false,
      cause,
    });
  } finally {
    timer.cancel();
    signal?.removeEventListener("abort", onAbort);
  }
}

async function exchange(
  url: string,
  init: RequestInit,
  options: RegistryRequestOptions,
): Promise<RegistryAnswer> {
  const { fetch, maxAnswerBytes: maxBytes, token } = options;
  const { signal } = init;
  if (signal?.aborted) throw new Error("the request was given up");
  const response = await fetch(url, {
    ...init,
    ...(token !== undefined && { headers: withToken(init.headers, token) }),
    redirect: "manual",
    keepalive: options.isFollowed ?? false,
  });
  if (!response.ok) {
    const limits = { ...options, maxBytes: 1024, signal: signal ?? undefined };
    throw new Error(await refusalOf(response, limits));
  }
  const limits = { ...options, maxBytes, signal: signal ?? undefined };
  const body = await readBody(response, limits);
  return { headers: response.headers, body };
}

function withToken(init: RequestInit["headers"], token: string): Headers {
  const headers = new Headers(init);
  headers.set("Authorization", `Bearer ${token}`);
  return headers;
}

/** The status and, where the registry says it in plain text, why. */
async function refusalOf(
  response: Response,
  limits: BodyOptions,
): Promise<string> {
  const status = `it answered ${response.status}`;
  if (!response.headers.get("content-type")?.startsWith("text/plain")) {
    await response.body?.cancel();
    return status;
  }
  const text = await readBody(response, limits).catch(() => "");
  const line = text.trim().split(/[\r\n]/, 1)[0];
  return line ? `${status}: ${line}` : status;
}
