import type { Clock, Timer } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import {
  connectPath,
  connectedStatus,
  correctConnectPath,
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
import { sniff } from "./sniff.ts";

export interface HandshakeOptions {
  limits: Limits;
  clock: Clock;
  /** An Option came: take the pipe over, `rest` is what stood behind it. */
  onOption(pipe: Pipe, option: ParsedOption, rest: Uint8Array): void;
  /** HTTP came: take the pipe over, beginning with `bytes`. */
  onHttp(pipe: Pipe, bytes: Uint8Array): void;
  /** The peer was refused; the pipe is ending. */
  onRefused(pipe: Pipe, error: RpcError): void;
  /** The pipe is gone before it became a session. */
  onGone(pipe: Pipe): void;
}

const empty = new Uint8Array(0);

/**
 * A connection before it is a session: from accept to its Option, within
 * limits.handshakeTimeoutMs. The first bytes decide: `{` begins an Option,
 * `CONNECT ` leads to one, another capital letter is HTTP. Whoever sends
 * something else gets one short line and is closed on.
 */
export class Handshake implements PipeHandler {
  readonly #pipe: Pipe;
  readonly #options: HandshakeOptions;
  readonly #scanner: OptionScanner;
  readonly #timer: Timer;
  #bytes: Uint8Array = empty;
  #state: "greeting" | "connect" | "option" | "over" = "greeting";
  #isConnected = false;

  constructor(pipe: Pipe, options: HandshakeOptions) {
    const { limits, clock } = options;
    this.#pipe = pipe;
    this.#options = options;
    this.#scanner = new OptionScanner(limits.maxOptionBytes);
    this.#timer = clock
      .after(limits.handshakeTimeoutMs, () =>
        this.#refuseFor(
          "deadline_exceeded",
          `no Option came within ${limits.handshakeTimeoutMs} ms`,
        ),
      )
      .unref();
    pipe.attach(this);
  }

  data(chunk: Uint8Array): void {
    switch (this.#state) {
      case "greeting":
        this.#bytes = join(this.#bytes, chunk);
        this.#readGreeting();
        break;
      case "connect":
        this.#bytes = join(this.#bytes, chunk);
        this.#readConnect();
        break;
      case "option":
        this.#readOption(chunk);
        break;
      case "over":
    }
  }

  drain(): void {}

  end(): void {
    this.#finish();
    this.#pipe.shutdown();
  }

  close(): void {
    this.#finish();
    this.#options.onGone(this.#pipe);
  }

  #readGreeting(): void {
    const greeting = sniff(this.#bytes);
    switch (greeting) {
      case undefined:
        return;
      case "option":
        this.#state = "option";
        this.#readOption(this.#bytes);
        return;
      case "connect":
        if (this.#isConnected) break;
        this.#state = "connect";
        this.#readConnect();
        return;
      case "http":
        if (this.#isConnected) break;
        this.#finish();
        this.#options.onHttp(this.#pipe, this.#bytes);
        return;
    }
    this.#refuseFor(
      "invalid_argument",
      "this is a geerpc server: begin with an Option or with HTTP",
    );
  }

  #readConnect(): void {
    const end = headEnd(this.#bytes);
    if (end === undefined) {
      if (this.#bytes.length > maxHeadBytes)
        this.#answerHttp("431 Request Header Fields Too Large");
      return;
    }
    const head = Buffer.from(this.#bytes.subarray(0, end)).toString("latin1");
    const path = head.split(" ", 2)[1];
    if (path !== connectPath && path !== correctConnectPath) {
      this.#answerHttp("404 Not Found");
      return;
    }
    // The answer of a server that has just been connected to always fits.
    this.#pipe.write(Buffer.from(`HTTP/1.0 ${connectedStatus}\n\n`));
    const rest = this.#bytes.subarray(end);
    this.#bytes = empty;
    this.#isConnected = true;
    this.#state = "greeting";
    if (rest.length > 0) this.data(rest);
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

  #answerHttp(status: string): void {
    this.#finish();
    this.#pipe.write(
      Buffer.from(
        `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
      ),
    );
    this.#pipe.shutdown();
    this.#options.onRefused(
      this.#pipe,
      new RpcError("invalid_argument", `CONNECT was answered ${status}`),
    );
  }

  #refuseFor(
    code: "deadline_exceeded" | "invalid_argument",
    message: string,
  ): void {
    this.refuse(new RpcError(code, message));
  }

  /** Ends the connection with one short line that says why. */
  refuse(error: RpcError): void {
    this.#finish();
    this.#pipe.write(encodeRefusal(error));
    this.#pipe.shutdown();
    this.#options.onRefused(this.#pipe, error);
  }

  #finish(): void {
    this.#state = "over";
    this.#timer.cancel();
  }
}

function join(kept: Uint8Array, chunk: Uint8Array): Uint8Array {
  return kept.length === 0 ? chunk : Buffer.concat([kept, chunk]);
}
