import { Client } from "../../src/client/client.ts";
import type { RpcEvent } from "../../src/events.ts";
import { Server, type ServerOptions } from "../../src/server/server.ts";
import { memoryPipe } from "../../src/transport/memory.ts";
import type { Pipe } from "../../src/transport/pipe.ts";
import { magicNumber } from "../../src/wire/option.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { PipeEar } from "../support/pipe-ear.ts";

/**
 * A stranger at the other end of a connection, who sends bytes and looks at
 * the answer. When the server ends so does he, unless he is stubborn.
 */
export class Peer {
  readonly pipe: Pipe;
  readonly ear = new PipeEar();

  constructor(pipe: Pipe, { isStubborn = false } = {}) {
    this.pipe = pipe;
    this.ear.onEvent = () => {
      if (this.ear.ends > 0 && !isStubborn) pipe.shutdown();
    };
    pipe.attach(this.ear);
  }

  get text(): string {
    return this.ear.bytes.toString("latin1");
  }

  send(...parts: (string | Uint8Array)[]): void {
    this.pipe.write(Buffer.concat(parts.map((part) => Buffer.from(part))));
  }

  /** Sends each byte on its own. */
  drip(text: string): void {
    for (const char of text) this.send(char);
  }

  /** Waits for `count` whole lines. */
  async lines(count = 1): Promise<string[]> {
    const lines = () => this.text.split("\n");
    await this.ear.until(() => lines().length > count);
    return lines().slice(0, count);
  }

  /** Waits for a refusal's line, and gives its code. */
  async refusal(): Promise<string> {
    const [line = ""] = await this.lines();
    const json = JSON.parse(line) as { Error: string; Code: string };
    if (json.Error === "") throw new Error("the refusal says nothing");
    return json.Code;
  }

  /** Waits for the other end to say that it has ended, or is gone. */
  async ended(): Promise<void> {
    await this.ear.until(() => this.ear.ends + this.ear.closes.length > 0);
  }

  async closed(): Promise<void> {
    await this.ear.until(() => this.ear.closes.length > 0);
  }
}

export const jsonOption = option({ CodecType: "application/json" });
export const binaryOption = option({ CodecType: "application/x-geerpc" });

export function option(fields: Record<string, unknown>): string {
  return JSON.stringify({
    MagicNumber: magicNumber,
    CodecType: "application/json",
    ConnectTimeout: 0,
    HandleTimeout: 0,
    ...fields,
  });
}

/** A request of the JSON codec. */
export function jsonRequest(
  serviceMethod: string,
  seq: number,
  args: unknown,
): string {
  const header = { ServiceMethod: serviceMethod, Seq: seq, Error: "" };
  return `${JSON.stringify(header)}\n${JSON.stringify(args)}\n`;
}

/** A service whose calls end when a test says so. */
export class Gate {
  static readonly names = ["open", "wait"];
  signals: AbortSignal[] = [];
  readonly #waiting: (() => void)[] = [];
  #onWait: (() => void)[] = [];

  async wait(_args: unknown, { signal }: { signal: AbortSignal }) {
    this.signals.push(signal);
    const opened = new Promise<void>((resolve) => this.#waiting.push(resolve));
    for (const tell of this.#onWait.splice(0)) tell();
    await opened;
    return "opened";
  }

  /** Lets every call end that waits. */
  open(): string {
    for (const resolve of this.#waiting.splice(0)) resolve();
    return "open";
  }

  /** Resolves once a call waits. */
  _entered(): Promise<void> {
    if (this.#waiting.length > 0) return Promise.resolve();
    return new Promise((resolve) => this.#onWait.push(resolve));
  }
}

export class Arith {
  sum({ a, b }: { a: number; b: number }) {
    return a + b;
  }
}

/** A server on a clock that stands, with peers over pipes in memory. */
export function setUp(options: ServerOptions = {}) {
  const clock = new ManualClock();
  const events: RpcEvent[] = [];
  const gate = new Gate();
  const server = new Server({
    clock,
    onEvent: (event) => void events.push(event),
    ...options,
  });
  server.register(new Arith()).register(gate);
  const connect = (first = "", isStubborn = false) => {
    const [mine, theirs] = memoryPipe();
    const peer = new Peer(mine, { isStubborn });
    if (first !== "") peer.send(first);
    server.serve(theirs);
    return peer;
  };
  const dial = () => {
    const [mine, theirs] = memoryPipe();
    server.serve(theirs);
    return Client.over(mine, { clock, callTimeoutMs: 0 });
  };
  const refusals = () =>
    events.flatMap((event) =>
      event.kind === "peer-refused" ? [event.error.code] : [],
    );
  return { clock, events, gate, server, connect, dial, refusals };
}

/** Looks whether a promise has settled. */
export function watch(promise: Promise<unknown>): { isDone: boolean } {
  const watched = { isDone: false };
  void promise.then(() => {
    watched.isDone = true;
  });
  return watched;
}
