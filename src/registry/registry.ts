import { type Clock, systemClock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import { type OnEvent, quiet } from "../events.ts";
import { acceptsJson } from "../http/accept.ts";
import { emptyAnswer, textAnswer } from "../http/answer.ts";
import { bodyStatus, readBody } from "../http/body.ts";
import { pathOf } from "../http/path.ts";
import { formatHostPort, parseHostPort } from "../transport/address.ts";
import { listAnswer } from "./answer.ts";
import { registryPath, serverHeader, ttlHeader } from "./headers.ts";
import {
  type Change,
  defaultLeaseLimits,
  type LeaseLimits,
} from "./lease-table.ts";
import { readAddress, readServices, readTtlMs } from "./registration.ts";
import { MemoryStore, type Store } from "./store.ts";

export interface RegistryOptions extends Partial<LeaseLimits> {
  /**
   * For registrations without a TTL of their own: those of original servers,
   * which beat every 4 min. 0 is for ever. Default 5 min.
   */
  ttlMs?: number;
  /** Default: a MemoryStore of the registry's own. One that is given stays the caller's to close, and has limits of its own. */
  store?: Store;
  clock?: Clock;
  /** Told of `server-added`, `server-removed`, and of a store that fails (`store-failed`). Must not throw. */
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
 * | `GET` (or HEAD) `/_geerpc_/registry` | 200, `X-Geerpc-Servers: a,b`, sorted; with `Accept: application/json` also the JSON form |
 * | `POST`, `X-Geerpc-Server: a`, optional `X-Geerpc-TTL` and body `{"services":[…]}` | 200; 400 with a line that says what is wrong; 408 too slow; 413; 503 full or without its store; 500 without the header, as the original |
 * | `DELETE`, `X-Geerpc-Server: a` | 200; 404 not listed |
 * | `GET /healthz` | 200 |
 *
 * Other methods are 405, other paths 404. Who may register is not checked:
 * keep it on a network where everybody may.
 */
export class Registry implements AsyncDisposable {
  readonly #ttlMs: number;
  readonly #clock: Clock;
  readonly #store: Store;
  readonly #ownStore: Store | undefined;
  readonly #onEvent: OnEvent;
  readonly #unwatch: () => void;
  readonly #listeners = new Set<Bun.Server<undefined>>();
  #closed: Promise<void> | undefined;

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
    this.#clock = clock;
    this.#onEvent = quiet(onEvent);
    if (options.store === undefined) {
      const {
        maxServers = defaultLeaseLimits.maxServers,
        maxListBytes = defaultLeaseLimits.maxListBytes,
      } = options;
      this.#ownStore = new MemoryStore(clock, { maxServers, maxListBytes });
    }
    this.#store = options.store ?? (this.#ownStore as Store);
    this.#unwatch = this.#store.watch((change) => this.#report(change));
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
    const listener = serve(host || "0.0.0.0", port, (request, server) =>
      this.fetch(request, server.requestIP(request)?.address),
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
    const pathname = pathOf(request.url);
    if (pathname === undefined) return textAnswer("no such host", 400);
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (pathname === "/healthz") {
      return isRead ? textAnswer("ok") : wrongMethod("GET, HEAD");
    }
    if (pathname !== registryPath) {
      return textAnswer(`not found: the registry is at ${registryPath}`, 404);
    }
    if (isRead) return this.#list(request);
    if (request.method === "POST") return this.#register(request, remoteHost);
    if (request.method === "DELETE") return this.#remove(request, remoteHost);
    return wrongMethod("GET, HEAD, POST, DELETE");
  }

  async #list(request: Request): Promise<Response> {
    const isJson = acceptsJson(request.headers.get("accept"));
    return listAnswer(await this.#store.list(), isJson);
  }

  async #register(request: Request, remoteHost?: string): Promise<Response> {
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
      const error = RpcError.from(thrown);
      // The rest of the body may still be under way.
      const headers = { Connection: "close" };
      return textAnswer(error.message, bodyStatus(error), headers);
    }
    await this.#store.put({ address, services: readServices(body) }, ttlMs);
    return emptyAnswer(200);
  }

  async #remove(request: Request, remoteHost?: string): Promise<Response> {
    const server = request.headers.get(serverHeader);
    if (!server) return textAnswer(`${serverHeader} is missing`, 400);
    const address = readAddress(server, remoteHost);
    return (await this.#store.remove(address))
      ? emptyAnswer(200)
      : textAnswer(`${address} is not registered`, 404);
  }

  #refuse(thrown: unknown, method: string): Response {
    if (thrown instanceof RpcError) {
      if (thrown.code === "invalid_argument") {
        return textAnswer(thrown.message, 400);
      }
      if (thrown.code === "resource_exhausted") {
        return textAnswer(thrown.message, 503);
      }
    }
    if (this.#closed === undefined) {
      this.#onEvent({
        kind: "store-failed",
        operation: operations[method] ?? "list",
        error: thrown,
      });
    }
    return RpcError.from(thrown).code === "unavailable"
      ? textAnswer("the registry cannot reach its store", 503)
      : textAnswer("internal error", 500);
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

/** Bun.serve, with its failures as this library's. */
function serve(
  hostname: string,
  port: number,
  fetch: (request: Request, server: Bun.Server<undefined>) => Promise<Response>,
): Bun.Server<undefined> {
  try {
    return Bun.serve({
      hostname,
      port,
      fetch,
      development: false,
      // Without it two registries share the port silently (Bun 1.4.5, whenever
      // development is false), and each gets half of the requests.
      reusePort: false,
      maxRequestBodySize: maxBodyBytes,
    });
  } catch (cause) {
    const where = formatHostPort(hostname, port);
    const { code, message } = cause as { code?: string; message?: string };
    const reason =
      code === "EADDRINUSE" ? "another program listens there" : message;
    throw new RpcError("unavailable", `cannot listen on ${where}: ${reason}`, {
      sent: false,
      cause,
    });
  }
}

function wrongMethod(allowed: string): Response {
  return textAnswer(`method not allowed: ${allowed}`, 405, { Allow: allowed });
}

function closedError(): RpcError {
  return new RpcError("unavailable", "the registry is closed", { sent: false });
}
