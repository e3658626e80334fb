import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import { dialPipe } from "../transport/dial.ts";
import type { Pipe } from "../transport/pipe.ts";
import { splice } from "../transport/splice.ts";

/**
 * Carries HTTP that came on an RPC port to Bun.serve, which cannot take an
 * open socket over: each connection is piped, byte for byte, to a server on a
 * unix socket in a private folder. Started by the first such connection; costs
 * about 20 µs a request.
 */
export class HttpBridge {
  readonly #fetch: (request: Request) => Promise<Response>;
  #started:
    | Promise<{ folder: string; path: string; server: Bun.Server<undefined> }>
    | undefined;

  constructor(fetch: (request: Request) => Promise<Response>) {
    this.#fetch = fetch;
  }

  /** Takes the pipe over, whose first bytes were read already; `onGone` is told when it is gone. */
  carry(pipe: Pipe, bytes: Uint8Array, onGone: () => void): void {
    const inner = this.#start().then(({ path }) =>
      dialPipe({ protocol: "unix", path }, { timeoutMs: 5_000 }),
    );
    splice(pipe, bytes, inner, systemClock, onGone);
  }

  /** Ends the inner server and removes its folder. */
  async close(): Promise<void> {
    if (this.#started === undefined) return;
    const { server, folder } = await this.#started;
    await server.stop(true);
    rmSync(folder, { recursive: true, force: true });
  }

  #start() {
    this.#started ??= this.#serve();
    return this.#started;
  }

  async #serve() {
    const folder = await mkdtemp(join(tmpdir(), "geerpc-"));
    const path = join(folder, "http.sock");
    const server = Bun.serve({
      unix: path,
      development: false,
      // Keeps slow handlers and event streams alive. Its type denies it on a
      // unix socket, where it works and is 10 s otherwise.
      ...({ idleTimeout: 0 } as object),
      fetch: (request) => this.#fetch(request),
      error: (thrown) =>
        Response.json(RpcError.from(thrown, "internal"), { status: 500 }),
    });
    return { folder, path, server };
  }
}
