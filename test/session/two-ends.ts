import { expect } from "bun:test";
import type { Codec } from "../../src/codec/codec.ts";
import { binaryCodecType, createCodec } from "../../src/codec/table.ts";
import { RpcError } from "../../src/errors.ts";
import type { RpcEvent } from "../../src/events.ts";
import type { Context } from "../../src/service/context.ts";
import type { MethodOptions } from "../../src/service/method.ts";
import { Services } from "../../src/service/services.ts";
import type { KeepAliveOptions } from "../../src/session/keepalive.ts";
import { Calls } from "../../src/session/calls.ts";
import { type Outcome, PendingCall } from "../../src/session/pending-call.ts";
import { Session } from "../../src/session/session.ts";
import type { PeerWindows } from "../../src/session/windows.ts";
import { memoryPipe } from "../../src/transport/memory.ts";
import type { Pipe } from "../../src/transport/pipe.ts";
import { defaultLimits, type Limits } from "../../src/wire/limits.ts";
import type { Metadata } from "../../src/wire/metadata.ts";
import { SendBuffer } from "../../src/wire/send-buffer.ts";
import { Recorder } from "../codec/recorder.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";
import { PipeEar } from "../support/pipe-ear.ts";
import { Feed } from "./feed.ts";
import { Reading } from "./reading.ts";

/** No pings: most tests look at what else is said. */
export const neverPings = { busyMs: 0, idleMs: 0, timeoutMs: 0 };

/** A call whose outcome is written down, each time that it is told. */
export class StartedCall implements Outcome {
  readonly outcomes: ({ reply: unknown } | { error: RpcError })[] = [];
  readonly pending: PendingCall;

  constructor(
    serviceMethod: string,
    args: unknown,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ) {
    this.pending = new PendingCall(
      serviceMethod,
      args,
      this,
      timeoutMs,
      signal,
      undefined,
    );
  }

  get isOver(): boolean {
    return this.outcomes.length > 0;
  }

  get reply(): unknown {
    const [outcome] = this.outcomes;
    return outcome !== undefined && "reply" in outcome
      ? outcome.reply
      : undefined;
  }

  /** Reads its reply, which is a stream, as far as it comes. */
  read(): Reading {
    return new Reading(this.reply as AsyncIterable<unknown>);
  }

  get error(): RpcError | undefined {
    const [outcome] = this.outcomes;
    return outcome !== undefined && "error" in outcome
      ? outcome.error
      : undefined;
  }

  succeeded(reply: unknown): void {
    this.outcomes.push({ reply });
  }

  failed(error: RpcError): void {
    this.outcomes.push({ error });
  }
}

/** A handler that waits for its test to end it. */
export interface HeldCall {
  args: unknown;
  context: Context;
  resolve(reply: unknown): void;
  reject(thrown: unknown): void;
}

/** A service for tests: `echo` answers at once, `hold` when the test says so. */
export class Foo {
  readonly held: HeldCall[] = [];
  readonly feeds: Feed[] = [];
  /** Streams of `count` whose finally has run. */
  endedCounts = 0;
  /** The arguments of every call, in the order in which they started. */
  readonly started: unknown[] = [];

  echo(args: unknown): unknown {
    this.started.push(args);
    return args;
  }

  async hold(args: unknown, context: Context): Promise<unknown> {
    this.started.push(args);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.held.push({ args, context, resolve, reject });
    return promise;
  }

  /** Answers with a string of so many characters. */
  text(length: number): string {
    this.started.push(length);
    return "x".repeat(length);
  }

  fail(message: string): never {
    throw new Error(message);
  }

  /** A stream whose items the test gives. */
  feed(args: unknown, context: Context): AsyncIterable<unknown> {
    this.started.push(args);
    const feed = new Feed(args, context);
    this.feeds.push(feed);
    return feed.items();
  }

  /** A stream of 0, 1, 2 … that is done after so many. */
  async *count(items: number): AsyncGenerator<number> {
    this.started.push(items);
    try {
      for (let item = 0; item < items; item++) yield item;
    } finally {
      this.endedCounts++;
    }
  }

  /** Answers with the items of its argument. */
  async collect(items: AsyncIterable<unknown>): Promise<unknown[]> {
    this.started.push("collect");
    const all: unknown[] = [];
    for await (const item of items) all.push(item);
    return all;
  }

  /** Asks its caller, and answers with what that said. */
  async ask(args: unknown, { peer }: Context): Promise<unknown> {
    this.started.push(args);
    return { heard: await peer.call("Foo.hold", args) };
  }

  /** Sends each item of its argument back. */
  async *mirror(items: AsyncIterable<unknown>): AsyncGenerator<unknown> {
    this.started.push("mirror");
    yield* items;
  }

  unsendable(): unknown {
    return { deep: [() => {}] };
  }
}

export interface CallSettings {
  timeoutMs?: number;
  isUntilReply?: boolean;
  signal?: AbortSignal | undefined;
  metadata?: Metadata;
  onMetadata?: (metadata: Metadata) => void;
}

export interface EndOptions {
  codec?: string;
  limits?: Partial<Limits>;
  /** Of Foo's methods. */
  methods?: Record<string, MethodOptions>;
  callTimeoutMs?: number;
  peerWindows?: PeerWindows;
  handleTimeoutMs?: number;
  keepAlive?: KeepAliveOptions;
}

/** One session with all that a test wants to look at. */
export class End {
  readonly foo = new Foo();
  readonly events: RpcEvent[] = [];
  readonly services: Services;
  readonly session: Session;
  /** Calls as users make them. */
  readonly calls: Calls;
  isClosed = false;

  constructor(
    role: "dial" | "accept",
    pipe: Pipe,
    clock: ManualClock,
    options: EndOptions = {},
  ) {
    const limits = { ...defaultLimits, ...options.limits };
    const codec = createCodec(options.codec ?? binaryCodecType, {
      role,
      limits,
      bodies: [],
      isGeerpcPeer: true,
    });
    this.services = new Services();
    const { methods = {}, callTimeoutMs = 0, peerWindows = {} } = options;
    this.services.register(this.foo, { name: "Foo", methods });
    this.session = new Session(pipe, {
      role,
      codec,
      services: this.services,
      limits,
      clock,
      handleTimeoutMs: options.handleTimeoutMs ?? 0,
      callTimeoutMs,
      peerWindows,
      keepAlive: options.keepAlive ?? neverPings,
      interceptors: [],
      onEvent: (event) => void this.events.push(event),
      onClose: () => {
        if (this.isClosed) throw new Error("onClose was told twice");
        this.isClosed = true;
      },
    });
    this.calls = new Calls(this.session, {
      clock,
      callTimeoutMs,
      interceptors: [],
    });
  }

  /** Handlers that were started and have not ended. */
  get runningCount(): number {
    let count = 0;
    for (const method of this.services.list().get("Foo") ?? []) {
      count += method.inFlight;
    }
    return count;
  }

  call(
    method: string,
    args?: unknown,
    {
      timeoutMs = 0,
      isUntilReply = false,
      signal,
      metadata,
      onMetadata,
    }: CallSettings = {},
  ): StartedCall {
    const call = new StartedCall(`Foo.${method}`, args, timeoutMs, signal);
    Object.assign(call.pending, { isUntilReply, metadata, onMetadata });
    this.session.start(call.pending);
    return call;
  }
}

export interface TwoEndsOptions extends EndOptions {
  capacityBytes?: number;
  /** What joins both, instead of memory. */
  pipes?: (clock: ManualClock) => [Pipe, Pipe];
  dial?: EndOptions;
  accept?: EndOptions;
  /** Whether the raw peer of a dialling end leaves out its settings. */
  isSilent?: boolean;
}

/** Two sessions, joined by memory, with one clock that stands still. */
export function twoEnds({
  capacityBytes = 256 * 1024,
  pipes = () => memoryPipe({ capacityBytes }),
  dial = {},
  accept = {},
  ...both
}: TwoEndsOptions = {}) {
  const clock = new ManualClock();
  const [near, far] = pipes(clock);
  const dialling = new End("dial", near, clock, { ...both, ...dial });
  const accepting = new End("accept", far, clock, {
    // As its Option says.
    peerWindows: dial.limits ?? both.limits ?? {},
    ...both,
    ...accept,
  });
  dialling.session.open(new Uint8Array(0));
  accepting.session.open();
  return { clock, near, far, dial: dialling, accept: accepting };
}

/** Every call of both ends is over, and nothing of one is left: no handler, no timer. */
export async function expectNothingLeft({
  clock,
  dial,
  accept,
}: ReturnType<typeof twoEnds>): Promise<void> {
  for (const end of [dial, accept]) {
    expect(end.session.inFlightCount).toBe(0);
    expect(end.runningCount).toBe(0);
  }
  // Alarms of deadlines that were met ring once, and do nothing.
  await clock.advance(1e9);
  expect(clock.timers).toBe(0);
}

/** The other end of a session as bytes: a peer that says what a test wants it to. */
export class RawPeer {
  readonly ear = new PipeEar();
  readonly recorder = new Recorder();
  readonly codec: Codec;
  readonly out = new SendBuffer();
  readonly #pipe: Pipe;
  #read = 0;

  constructor(role: "dial" | "accept", pipe: Pipe, codec = binaryCodecType) {
    this.#pipe = pipe;
    this.codec = createCodec(codec, {
      role,
      limits: defaultLimits,
      bodies: [],
    });
    pipe.attach(this.ear);
  }

  /** Lets the codec write, and sends all of it in one chunk. */
  say(write: (codec: Codec, out: SendBuffer) => void): void {
    write(this.codec, this.out);
    while (this.codec.heldBytes > 0) this.codec.writePiece(this.out);
    this.sendBytes(this.out.pending());
    this.out.clear();
  }

  sendBytes(bytes: Uint8Array): void {
    const taken = this.#pipe.write(bytes);
    if (taken < bytes.length) throw new Error("the pipe is full");
  }

  request(seq: number, method: string, args?: unknown): void {
    this.say((codec, out) =>
      codec.writeRequest(out, headOf(seq, method), args),
    );
  }

  /** What was read since the last time. */
  async heard() {
    await settle();
    for (const chunk of this.ear.chunks.slice(this.#read)) {
      this.#read++;
      this.codec.push(chunk);
      while (this.codec.read(this.recorder));
    }
    return this.recorder.take();
  }
}

export function headOf(seq: number, method: string, timeoutMs = 0) {
  return {
    seq,
    serviceMethod: `Foo.${method}`,
    timeoutMs,
    sentAtMs: 0,
    oneWay: false,
  };
}

const settings = { protocol: 1, maxMessageBytes: 4_194_304 };

/** One session, and a peer made of bytes, which has accepted a dialling end. */
export function oneEnd(
  role: "dial" | "accept",
  {
    capacityBytes = 256 * 1024,
    isSilent = false,
    ...options
  }: TwoEndsOptions = {},
) {
  const clock = new ManualClock();
  const [near, far] = memoryPipe({ capacityBytes });
  const end = new End(role, near, clock, options);
  const peer = new RawPeer(
    role === "dial" ? "accept" : "dial",
    far,
    options.codec,
  );
  end.session.open(role === "dial" ? new Uint8Array(0) : undefined);
  if (role === "dial" && peer.codec.features.settings && !isSilent) {
    peer.say((codec, out) => codec.writeSettings(out, settings));
  }
  return { clock, near, far, end, peer };
}
