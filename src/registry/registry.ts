import { type Clock, systemClock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import { type OnEvent, quiet } from "../events.ts";
import { emptyAnswer, jsonAnswer, textAnswer } from "../http/answer.ts";
import { readBody } from "../http/body.ts";
import { formatHostPort, parseHostPort } from "../transport/address.ts";
import { formOf, having, listAnswer } from "./answer.ts";
import { readDescription } from "./description.ts";
import { registryPath, serverHeader, ttlHeader } from "./headers.ts";
import {
  type Change,
  defaultLeaseLimits,
  type LeaseLimits,
} from "./lease-table.ts";
import { readAddress, readTtlMs, readWatchTimeoutMs } from "./registration.ts";
import {
  bodyAnswer,
  failureAnswer,
  refusalAnswer,
  wrongMethod,
} from "./refusal.ts";
import { type Right, Rights } from "./rights.ts";
import { type HttpServer, serveHttp } from "./serve-http.ts";
import { MemoryStore, type Store } from "./store.ts";
import { parseTokens, Tokens } from "./tokens.ts";
import { Watchers } from "./watchers.ts";

export interface RegistryOptions extends Partial<LeaseLimits> {
  /**
   * For registrations without a TTL of their own: those of original servers,
   * which beat every 4 min. 0 is for ever. Default 5 min.
   */
  ttlMs?: number;
  /** Default: a MemoryStore of the registry's own. One that is given stays the caller's to close, and has limits of its own. */
  store?: Store;
  /**
   * Who may list the servers: tokens as in a file, one a line, each behind its
   * owner's name where it has one. Default: everybody.
   */
  readTokens?: string;
  /**
   * Who may register and deregister, in the same form. A server can be renewed
   * and taken out with tokens of the owner that registered it alone, so that a
   * server that has an owner of its own can take out only itself. Default:
   * everybody.
   */
  writeTokens?: string;
  clock?: Clock;
  /**
   * Told of `server-added`, `server-removed`, of a store that fails
   * (`store-failed`) and, of a store of its own, `leases-extended`. Must not
   * throw.
   */
  onEvent?: OnEvent;
}

/** Of a registration's body: 1,000 names of 200 characters fit. */
const maxBodyBytes = 256 * 1024;
const bodyTimeoutMs = 10_000;
/** What a request asks of the store. */
const operations: Readonly<Record<string, "put" | "remove">> = {
  POST: "put",
  DELETE: "remove",
};
/** How long requests that are being answered have at close. */
const closeTimeoutMs = 1_000;

/**
 * Who serves: an HTTP face over a Store, for Go's original clients and servers
 * as well as for ours.
 *
 * | request | answer |
 * |---|---|
 * | `GET` (or HEAD) `/_geerpc_/registry` | 200, `X-Geerpc-Servers: a,b`, sorted; with `Accept: application/json` also the JSON form, with `text/html` a page; `?service=Arith` lists only those that have it, or have not told |
 * | `GET …?watch=<revision>&timeout=25` | 200 as soon as something has changed since the list or the changes with that revision, gathered for 100 ms, or after so many seconds: `{"revision","changes":[…]}`; the whole list in JSON where only that can tell; 503 too many wait |
 * | `POST`, `X-Geerpc-Server: a`, optional `X-Geerpc-TTL` and a description as body | 200; 400 with a line that says what is wrong; 408 too slow; 413; 503 full or without its store; 500 without the header, as the original |
 * | `DELETE`, `X-Geerpc-Server: a` | 200; 404 not listed |
 * | `GET /healthz` | 200 |
 *
 * Where tokens are asked for (`Authorization: Bearer …`), 401 without one that
 * is known, 403 with one for something else or somebody else's server; they
 * travel as they are, so give it a network or a proxy that hides them. Other
 * methods are 405, other paths 404.
 */
export class Registry implements AsyncDisposable {
  readonly #ttlMs: number;
  readonly #rights: Rights;
  readonly #clock: Clock;
  readonly #store: Store;
  readonly #ownStore: Store | undefined;
  readonly #onEvent: OnEvent;
  readonly #unwatch: () => void;
  readonly #watchers: Watchers;
  readonly #listeners = new Set<HttpServer>();
  #closed: Promise<void> | undefined;

  /** @throws RpcError invalid_argument  a TTL or tokens that are none */
  constructor(options: RegistryOptions = {}) {
    const {
      ttlMs = 300_000,
      clock = systemClock,
      onEvent = () => {},
    } = options;
    if (!(ttlMs >= 0 && ttlMs < Infinity)) {
      throw new RpcError(
        "invalid_argument",
        "ttlMs is a number of ms from 0 (for ever)",
      );
    }
    this.#ttlMs = ttlMs;
    this.#rights = new Rights(
      readTokens(options.readTokens),
      readTokens(options.writeTokens),
    );
    this.#clock = clock;
    this.#onEvent = quiet(onEvent);
    if (options.store === undefined) {
      const {
        maxServers = defaultLeaseLimits.maxServers,
        maxListBytes = defaultLeaseLimits.maxListBytes,
      } = options;
      const limits = { maxServers, maxListBytes };
      this.#ownStore = new MemoryStore(clock, limits, this.#onEvent);
    }
    this.#store = options.store ?? (this.#ownStore as Store);
    this.#watchers = new Watchers(clock, crypto.randomUUID());
    this.#unwatch = this.#store.watch((change) => {
      this.#watchers.add(change);
      this.#report(change);
    });
  }

  /**
   * Answers one HTTP request, so that a registry can live inside somebody
   * else's Bun.serve. Never rejects, and never tells a stack. `remoteHost` is
   * where the request came from; without it a wildcard address is refused.
   */
  async fetch(request: Request, remoteHost?: string): Promise<Response> {
    if (this.#closed !== undefined) {
      return textAnswer("the registry is closed", 503);
    }
    try {
      return await this.#route(request, remoteHost);
    } catch (thrown) {
      return this.#refuse(thrown, request.method);
    }
  }

  /**
   * Listens for HTTP on `host:port` and gives the registry's URL, with the
   * port that a 0 became. May be called for several addresses.
   *
   * @throws RpcError invalid_argument  no host:port
   * @throws RpcError unavailable       the port is taken, or the host not ours
   */
  async listen(hostPort = "127.0.0.1:9999"): Promise<string> {
    const { host, port } = parseHostPort(hostPort);
    if (this.#closed !== undefined) throw closedError();
    const listener = serveHttp(
      host || "0.0.0.0",
      port,
      maxBodyBytes,
      (request, server) => {
        // Who watches says nothing meanwhile.
        if (isWatch(request)) server.timeout(request, 0);
        return this.fetch(request, server.requestIP(request)?.address);
      },
    );
    this.#listeners.add(listener);
    const address = formatHostPort(host || "0.0.0.0", listener.port ?? port);
    const url = `http://${address}${registryPath}`;
    this.#onEvent({ kind: "listening", address: url });
    return url;
  }

  /**
   * Stops listening, lets requests that are being answered finish (1 s at
   * most) and lets go of the list. Servers that were listed are not told
   * about: they have not gone. Twice is once.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { promise: isTime, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.after(closeTimeoutMs, resolve);
    this.#watchers.close();
    const listeners = [...this.#listeners];
    await Promise.race([
      isTime,
      Promise.all(listeners.map((listener) => listener.stop())),
    ]);
    timer.cancel();
    for (const listener of listeners) void listener.stop(true);
    this.#unwatch();
    await this.#ownStore?.close();
  }

  async #route(request: Request, remoteHost?: string): Promise<Response> {
    // Bun gives the bare path where there was no Host header of use.
    const url = URL.parse(request.url, "http://localhost");
    if (url === null) return textAnswer("no such host", 400);
    const { pathname, searchParams } = url;
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (pathname === "/healthz") {
      return isRead ? textAnswer("ok") : wrongMethod("GET, HEAD");
    }
    if (pathname !== registryPath) {
      return textAnswer(`not found: the registry is at ${registryPath}`, 404);
    }
    if (isRead) return this.#read(request, searchParams);
    if (request.method === "POST") return this.#register(request, remoteHost);
    if (request.method === "DELETE") return this.#remove(request, remoteHost);
    return wrongMethod("GET, HEAD, POST, DELETE");
  }

  async #read(request: Request, query: URLSearchParams): Promise<Response> {
    this.#owner("read", request);
    const service = query.get("service");
    const seen = query.get("watch");
    if (seen !== null && request.method === "GET") {
      const changes = await this.#watchers.wait({
        revision: seen,
        service,
        timeoutMs: readWatchTimeoutMs(query.get("timeout")),
        signal: request.signal,
      });
      if (changes !== undefined) return jsonAnswer(changes);
    }
    // Before the list, which may then be newer and never older.
    const { revision } = this.#watchers;
    const listing = having(service, await this.#store.list());
    const form = seen === null ? formOf(request.headers.get("accept")) : "json";
    return listAnswer(listing, form, revision, service);
  }

  async #register(request: Request, remoteHost?: string): Promise<Response> {
    const owner = this.#owner("write", request);
    const server = request.headers.get(serverHeader);
    // The original's status for it, which its own tools know.
    if (!server) return textAnswer(`${serverHeader} is missing`, 500);
    const address = readAddress(server, remoteHost);
    const ttlMs = readTtlMs(request.headers.get(ttlHeader)) ?? this.#ttlMs;
    let body: string;
    try {
      body = await readBody(request, {
        maxBytes: maxBodyBytes,
        timeoutMs: bodyTimeoutMs,
        clock: this.#clock,
      });
    } catch (thrown) {
      return bodyAnswer(RpcError.from(thrown));
    }
    const registration = { address, ...readDescription(body) };
    await this.#store.put(registration, ttlMs, owner);
    return emptyAnswer(200);
  }

  async #remove(request: Request, remoteHost?: string): Promise<Response> {
    const owner = this.#owner("write", request);
    const server = request.headers.get(serverHeader);
    if (!server) return textAnswer(`${serverHeader} is missing`, 400);
    const address = readAddress(server, remoteHost);
    return (await this.#store.remove(address, owner))
      ? emptyAnswer(200)
      : textAnswer(`${address} is not registered`, 404);
  }

  /** @throws RpcError unauthenticated, permission_denied  the request may not do that */
  #owner(right: Right, { headers }: Request): string | undefined {
    return this.#rights.check(right, headers.get("authorization"));
  }

  #refuse(thrown: unknown, method: string): Response {
    const refused = refusalAnswer(thrown);
    if (refused !== undefined) return refused;
    if (this.#closed === undefined) {
      const operation = operations[method] ?? "list";
      this.#onEvent({ kind: "store-failed", operation, error: thrown });
    }
    return failureAnswer(thrown);
  }

  #report(change: Change): void {
    if (change.kind === "added") {
      const { address } = change.registration;
      this.#onEvent({ kind: "server-added", address });
    } else if (change.kind === "removed") {
      const { address, reason } = change;
      this.#onEvent({ kind: "server-removed", address, reason });
    }
  }
}

function readTokens(text: string | undefined): Tokens | undefined {
  return text === undefined ? undefined : new Tokens(parseTokens(text));
}

function isWatch({ url }: Request): boolean {
  return /[?&]watch=/.test(url);
}

function closedError(): RpcError {
  return new RpcError("unavailable", "the registry is closed", { sent: false });
}
