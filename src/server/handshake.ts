import type { Clock, Timer } from "../base/clock.ts";
import { type Code, RpcError } from "../errors.ts";
import {
  connectPath,
  connectedStatus,
  correctConnectPath,
  goConnectedStatus,
  goConnectPath,
  headEnd,
  maxHeadBytes,
} from "../transport/http-connect.ts";
import type { Pipe, PipeHandler } from "../transport/pipe.ts";
import type { Limits } from "../wire/limits.ts";
import {
  OptionScanner,
  type ParsedOption,
  parseOption,
} from "../wire/option.ts";
import { encodeRefusal } from "../wire/refusal.ts";
import { closingAnswer } from "./closing-answer.ts";
import { type Greeting, sniff } from "./sniff.ts";

export interface HandshakeOptions {
  limits: Limits;
  clock: Clock;
  /** An Option came: take the pipe over, `rest` is what stood behind it. */
  onOption(pipe: Pipe, option: ParsedOption, rest: Uint8Array): void;
  /** Go's net/rpc (`gorpc`) or JSON-RPC came, which send no Option: take the pipe over, beginning with `bytes`. */
  onForeign(pipe: Pipe, codecType: string, bytes: Uint8Array): void;
  /** HTTP came: take the pipe over, beginning with `bytes`, which hold a whole head. */
  onHttp(pipe: Pipe, bytes: Uint8Array): void;
  /** The peer was refused; the pipe is ending. */
  onRefused(pipe: Pipe, error: RpcError): void;
  /** The pipe is gone before it became a session. */
  onGone(pipe: Pipe): void;
}

/** The longest head of a first request: browsers send their cookies for a host to all of its ports. */
const maxRequestHeadBytes = 16 * 1024;

const empty = new Uint8Array(0);

/**
 * A connection before it is a session: from accept to its Option or its first
 * HTTP head, within limits.handshakeTimeoutMs. The first bytes decide.
 *
 *   state      bytes                           then
 *   greeting   `{`                             option
 *              gob, `{"method"` or `[`         onForeign; JSON-RPC also behind white space
 *              `CONNECT `                      connect
 *              another capital letter          http
 *              anything else                   refused by one line
 *   connect    a head for one of our paths     200, greeting for an Option only
 *              a head for net/rpc's path       200, onForeign
 *              any other head                  refused by an HTTP answer
 *   http       a head                          onHttp
 *   option     a whole Option                  onOption
 *
 * In each state too many bytes, no time left and the peer's end refuse it; but
 * a peer that never said anything just goes.
 */
export class Handshake implements PipeHandler {
  readonly #pipe: Pipe;
  readonly #options: HandshakeOptions;
  readonly #scanner: OptionScanner;
  #timer: Timer | undefined;
  #bytes: Uint8Array = empty;
  #state: "greeting" | "connect" | "http" | "option" | "over" = "greeting";
  #isConnected = false;
  #hasSpoken = false;

  constructor(pipe: Pipe, options: HandshakeOptions) {
    this.#pipe = pipe;
    this.#options = options;
    this.#scanner = new OptionScanner(options.limits.maxOptionBytes);
  }

  /** Begins to listen; all that follows may happen before this returns. */
  begin(): void {
    const { limits, clock } = this.#options;
    if (this.#state !== "over") {
      this.#timer = clock
        .after(limits.handshakeTimeoutMs, () => this.#timeOut())
        .unref();
    }
    this.#pipe.attach(this);
  }

  data(chunk: Uint8Array): void {
    if (chunk.length > 0) this.#hasSpoken = true;
    switch (this.#state) {
      case "greeting":
        this.#keep(chunk);
        this.#readGreeting();
        break;
      case "connect":
        this.#keep(chunk);
        this.#readConnect();
        break;
      case "http":
        this.#keep(chunk);
        this.#readHttp();
        break;
      case "option":
        this.#readOption(chunk);
        break;
      case "over":
    }
  }

  drain(): void {}

  end(): void {
    if (this.#state === "over") return;
    if (this.#hasSpoken) {
      this.#refuseFor("invalid_argument", "the connection ended too early");
    } else {
      this.#finish();
      this.#pipe.shutdown();
    }
  }

  close(): void {
    this.#finish();
    this.#options.onGone(this.#pipe);
  }

  /** Ends the connection with one short line that says why. May come before begin(). */
  refuse(error: RpcError): void {
    this.#refuseWith(encodeRefusal(error), error);
  }

  /** The server closes: whoever has begun to speak is told. */
  dismiss(error: RpcError): void {
    if (this.#state === "over") return;
    if (this.#hasSpoken) this.refuse(error);
    else this.#pipe.abort();
  }

  #keep(chunk: Uint8Array): void {
    this.#bytes =
      this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
  }

  #readGreeting(): void {
    const greeting = sniff(this.#bytes);
    if (greeting === undefined) return;
    if (greeting === "option") {
      const bytes = this.#bytes;
      this.#bytes = empty;
      this.#state = "option";
      this.#readOption(bytes);
    } else if (isForeign(greeting) && !this.#isConnected) {
      this.#finish();
      this.#options.onForeign(this.#pipe, greeting, this.#bytes);
    } else if (greeting === "connect" && !this.#isConnected) {
      this.#state = "connect";
      this.#readConnect();
    } else if (greeting === "http" && !this.#isConnected) {
      this.#state = "http";
      this.#readHttp();
    } else {
      this.#refuseFor(
        "invalid_argument",
        this.#isConnected
          ? "an Option has to follow CONNECT"
          : "this is a geerpc server: begin with an Option, with HTTP, or as a client of Go's net/rpc",
      );
    }
  }

  #readConnect(): void {
    const end = this.#headEnd(maxHeadBytes);
    if (end === undefined) return;
    const head = Buffer.from(this.#bytes.subarray(0, end)).toString("latin1");
    const path = /^CONNECT (\S+) HTTP\/1\.[01]\r?\n/.exec(head)?.[1];
    const rest = this.#bytes.subarray(end);
    if (path === goConnectPath) {
      this.#pipe.write(Buffer.from(`HTTP/1.0 ${goConnectedStatus}\n\n`));
      this.#finish();
      this.#options.onForeign(this.#pipe, "gorpc", rest);
      return;
    }
    if (path !== connectPath && path !== correctConnectPath) {
      this.#refuseHttp(
        path === undefined ? "400 Bad Request" : "404 Not Found",
        `geerpc answers CONNECT ${correctConnectPath} HTTP/1.1`,
      );
      return;
    }
    // The answer of a server that has just been connected to always fits.
    this.#pipe.write(Buffer.from(`HTTP/1.0 ${connectedStatus}\n\n`));
    this.#bytes = empty;
    this.#isConnected = true;
    this.#state = "greeting";
    if (rest.length > 0) this.data(rest);
  }

  #readHttp(): void {
    if (this.#headEnd(maxRequestHeadBytes) === undefined) return;
    this.#finish();
    this.#options.onHttp(this.#pipe, this.#bytes);
  }

  /** The end of the HTTP head; undefined while it is incomplete, and when it was refused. */
  #headEnd(maxBytes: number): number | undefined {
    const end = headEnd(this.#bytes.subarray(0, maxBytes));
    if (end === undefined && this.#bytes.length >= maxBytes) {
      this.#refuseHttp(
        "431 Request Header Fields Too Large",
        `the head is longer than ${maxBytes} bytes`,
      );
    }
    return end;
  }

  #readOption(chunk: Uint8Array): void {
    let found: { text: string; rest: Uint8Array } | undefined;
    try {
      found = this.#scanner.push(chunk);
    } catch (thrown) {
      this.refuse(RpcError.from(thrown));
      return;
    }
    if (found === undefined) return;
    this.#finish();
    this.#options.onOption(this.#pipe, parseOption(found.text), found.rest);
  }

  #timeOut(): void {
    const { handshakeTimeoutMs } = this.#options.limits;
    if (this.#state === "http" || this.#state === "connect") {
      this.#refuseHttp(
        "408 Request Timeout",
        `no whole head came within ${handshakeTimeoutMs} ms`,
      );
    } else {
      this.#refuseFor(
        "deadline_exceeded",
        `no Option came within ${handshakeTimeoutMs} ms`,
      );
    }
  }

  #refuseHttp(status: string, text: string): void {
    this.#refuseWith(
      closingAnswer(status, text),
      new RpcError("invalid_argument", `HTTP was answered ${status}: ${text}`),
    );
  }

  #refuseFor(code: Code, message: string): void {
    this.refuse(new RpcError(code, message));
  }

  #refuseWith(answer: Uint8Array, error: RpcError): void {
    this.#finish();
    this.#pipe.write(answer);
    this.#pipe.shutdown();
    this.#options.onRefused(this.#pipe, error);
  }

  #finish(): void {
    this.#state = "over";
    this.#timer?.cancel();
  }
}

/** Whether such a connection is a session without an Option. */
function isForeign(greeting: Greeting): greeting is "gorpc" | "jsonrpc" {
  return greeting === "gorpc" || greeting === "jsonrpc";
}
