import { RpcError } from "../errors.ts";
import { formatHostPort } from "./address.ts";
import { EarlyEvents } from "./early-events.ts";
import type { Pipe, PipeHandler } from "./pipe.ts";

/** The path of CONNECT requests. The letters are transposed: that is how the original spells it. */
export const connectPath = "/_geeprc_";
/** The path as it was meant; servers take both. */
export const correctConnectPath = "/_geerpc_";
/** What follows the version in the answer to a CONNECT that was accepted. */
export const connectedStatus = "200 Connected to Gee RPC";
/** The same of Go's net/rpc. */
export const goConnectPath = "/_goRPC_";
export const goConnectedStatus = "200 Connected to Go RPC";

/** The longest head of a request or of an answer. */
export const maxHeadBytes = 8 * 1024;

/**
 * The end of an HTTP head: the index behind its empty line, with CRLF or the
 * original's bare LF; undefined while it is incomplete.
 */
export function headEnd(bytes: Uint8Array): number | undefined {
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) {
    if (bytes[at + 1] === 10) return at + 2;
    if (bytes[at + 1] === 13 && bytes[at + 2] === 10) return at + 3;
  }
  return undefined;
}

/**
 * Turns an open pipe into one that speaks RPC, by HTTP CONNECT: the original's
 * or, with `isGo`, net/rpc's. Resolves once the server has agreed; bytes behind
 * its answer wait for the next attach().
 *
 * @throws RpcError unavailable  any other answer: a proxy, a web server; it is quoted
 */
export function connectThrough(
  pipe: Pipe,
  host: string,
  port: number,
  isGo = false,
): Promise<void> {
  const path = isGo ? goConnectPath : connectPath;
  const status = isGo ? goConnectedStatus : connectedStatus;
  return new Promise((resolve, reject) => {
    pipe.attach(new AnswerReader(pipe, status, resolve, reject));
    const target = formatHostPort(host, port);
    // A request this short always fits into the buffer of a fresh socket.
    pipe.write(
      Buffer.from(`CONNECT ${path} HTTP/1.1\r\nHost: ${target}\r\n\r\n`),
    );
  });
}

class AnswerReader implements PipeHandler {
  readonly #pipe: Pipe;
  readonly #status: string;
  readonly #resolve: () => void;
  readonly #reject: (error: RpcError) => void;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(
    pipe: Pipe,
    status: string,
    resolve: () => void,
    reject: (error: RpcError) => void,
  ) {
    this.#pipe = pipe;
    this.#status = status;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  data(chunk: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    const end = headEnd(this.#bytes);
    if (end === undefined) {
      if (this.#bytes.length > maxHeadBytes) this.#refuse();
      return;
    }
    const head = Buffer.from(this.#bytes.subarray(0, end)).toString("latin1");
    const line = head.split(/\r?\n/, 1)[0] ?? "";
    if (!/^HTTP\/1\.[01] /.test(line) || line.slice(9) !== this.#status) {
      this.#refuse();
      return;
    }
    const early = new EarlyEvents();
    if (end < this.#bytes.length) early.data(this.#bytes.subarray(end));
    this.#pipe.attach(early);
    this.#resolve();
  }

  drain(): void {}

  end(): void {
    this.#refuse();
  }

  close(error: RpcError | undefined): void {
    this.#reject(
      new RpcError(
        "unavailable",
        error?.message ??
          `${this.#pipe.peer} closed the connection instead of answering CONNECT`,
        { sent: false, cause: error },
      ),
    );
  }

  #refuse(): void {
    const text = Buffer.from(this.#bytes.subarray(0, 200)).toString("latin1");
    const line = text.split(/\r?\n/, 1)[0] ?? "";
    this.#reject(
      new RpcError(
        "unavailable",
        `${this.#pipe.peer} is no geerpc server: it answered CONNECT with ${JSON.stringify(line)}`,
        { sent: false },
      ),
    );
    this.#pipe.abort();
  }
}
