import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import { dialPipe } from "../transport/dial.ts";
import type { Pipe } from "../transport/pipe.ts";
import { splice } from "../transport/splice.ts";
import { closingAnswer } from "./closing-answer.ts";

/** Keep-alive connections that say nothing, heads and bodies that stop coming. */
const idleTimeoutMs = 60_000;

interface Inner {
  folder: string;
  path: string;
  server: Bun.Server<undefined>;
}

/**
 * Carries HTTP that came on an RPC port to Bun.serve, which cannot take an
 * open socket over: each connection is piped, byte for byte, to a server on a
 * unix socket in a private folder. Started by the first such connection; costs
 * about 20 µs a request. Bun ends a connection whose peer has sent its FIN:
 * a client that half-closes has its request cancelled.
 */
export class HttpBridge {
  readonly #fetch: (request: Request) => Promise<Response>;
  readonly #clock: Clock;
  #inner: Promise<Inner> | undefined;
  #isClosed = false;
  #running = 0;

  constructor(fetch: (request: Request) => Promise<Response>, clock: Clock) {
    this.#fetch = fetch;
    this.#clock = clock;
  }

  /** Takes the pipe over, whose first bytes were read already; `onGone` is told when it is gone. */
  carry(pipe: Pipe, bytes: Uint8Array, onGone: () => void): void {
    splice(pipe, bytes, this.#dial(), {
      clock: this.#clock,
      idleTimeoutMs,
      isBusy: () => this.#running > 0,
      onFailed: (outer) => {
        outer.write(
          closingAnswer("503 Service Unavailable", "HTTP is not served now"),
        );
        outer.shutdown();
      },
      onGone,
    });
  }

  /** Takes no more connections, ends idle ones; resolves when requests that run have been answered. */
  async finish(): Promise<void> {
    this.#isClosed = true;
    const inner = await this.#inner?.catch(() => undefined);
    await inner?.server.stop();
  }

  /** Ends the inner server and removes its folder. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const inner = await this.#inner?.catch(() => undefined);
    if (inner === undefined) return;
    await inner.server.stop(true);
    remove(inner.folder);
  }

  async #dial(): Promise<Pipe> {
    if (this.#isClosed) {
      throw new RpcError("unavailable", "the server is shutting down");
    }
    // No folder, no file descriptors: the next connection tries again.
    this.#inner ??= this.#serve().catch((thrown) => {
      this.#inner = undefined;
      throw thrown;
    });
    const { path } = await this.#inner;
    return dialPipe(
      { protocol: "unix", path },
      { timeoutMs: 5_000, clock: this.#clock },
    );
  }

  async #serve(): Promise<Inner> {
    const { mkdtemp } = await import("node:fs/promises");
    const { tmpdir } = await import("node:os");
    const folder = await mkdtemp(join(tmpdir(), "geerpc-"));
    const path = join(folder, "http.sock");
    try {
      return { folder, path, server: this.#listen(path) };
    } catch (thrown) {
      remove(folder);
      throw thrown;
    }
  }

  #listen(path: string): Bun.Server<undefined> {
    return Bun.serve({
      unix: path,
      development: false,
      // Bodies are counted, and refused in words, where they are read.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      // Keeps slow handlers and event streams alive. Its type denies it on a
      // unix socket, where it works and is 10 s otherwise.
      ...({ idleTimeout: 0 } as object),
      fetch: async (request) => {
        this.#running++;
        try {
          return await this.#fetch(request);
        } finally {
          this.#running--;
        }
      },
      error: (thrown) =>
        Response.json(RpcError.from(thrown, "internal"), { status: 500 }),
    });
  }
}

function remove(folder: string): void {
  const { rmSync } = process.getBuiltinModule("node:fs");
  rmSync(folder, { recursive: true, force: true });
}
