import {
  binaryCodecType,
  createCodec,
  jsonCodecType,
} from "../../src/codec/table.ts";
import type {
  Codec,
  CodecContext,
  Inbound,
  RequestHead,
  SessionMessages,
  Settings,
} from "../../src/codec/codec.ts";
import type { RpcError } from "../../src/errors.ts";
import { defaultLimits, type Limits } from "../../src/wire/limits.ts";
import type { Metadata } from "../../src/wire/metadata.ts";
import { SendBuffer } from "../../src/wire/send-buffer.ts";

/** One message as a codec told of it; errors by their code. */
export type Told =
  | { kind: "settings"; settings: Settings }
  | { kind: "request"; head: RequestHead; args: unknown }
  | { kind: "badRequest"; head: RequestHead; code: string; error: RpcError }
  | { kind: "response"; seq: number; reply: unknown; metadata?: Metadata }
  | { kind: "streamed"; seq: number; metadata?: Metadata }
  | {
      kind: "error";
      seq: number;
      code: string;
      error: RpcError;
      metadata?: Metadata;
    }
  | { kind: "cancel"; seq: number }
  | {
      kind: "item";
      seq: number;
      isAnswer: boolean;
      item: unknown;
      chargedBytes: number;
    }
  | {
      kind: "badItem";
      seq: number;
      isAnswer: boolean;
      code: string;
      chargedBytes: number;
    }
  | { kind: "halfClose"; seq: number; isAnswer: boolean; metadata?: Metadata }
  | { kind: "credit"; seq: number; isAnswer: boolean; bytes: number }
  | { kind: "goaway"; lastSeq: number; code: string; error: RpcError }
  | { kind: "ping"; number: number }
  | { kind: "pong"; number: number };

/** As a field of what was told: there only where the message had it. */
function given(metadata: Metadata | undefined): { metadata?: Metadata } {
  return metadata === undefined ? {} : { metadata };
}

/** Writes down what a codec has read. */
export class Recorder implements Inbound {
  readonly told: Told[] = [];
  /** Answers that are not waited for. */
  readonly givenUp = new Set<number>();
  /** As if large arguments of so many bytes were held. */
  heldArgumentBytes = 0;
  waitingArgumentBytes = 0;
  idleCount = 0;
  /** Arguments whose items are not waited for. */
  readonly givenUpArguments = new Set<number>();

  settings(settings: Settings): void {
    this.told.push({ kind: "settings", settings });
  }
  request(head: RequestHead, args: unknown): void {
    this.told.push({ kind: "request", head, args });
  }
  badRequest(head: RequestHead, error: RpcError): void {
    this.told.push({ kind: "badRequest", head, code: error.code, error });
  }
  response(seq: number, reply: unknown, metadata?: Metadata): void {
    this.told.push({ kind: "response", seq, reply, ...given(metadata) });
  }
  streamed(seq: number, metadata?: Metadata): void {
    this.told.push({ kind: "streamed", seq, ...given(metadata) });
  }
  error(seq: number, error: RpcError, metadata?: Metadata): void {
    const { code } = error;
    this.told.push({ kind: "error", seq, code, error, ...given(metadata) });
  }
  cancel(seq: number): void {
    this.told.push({ kind: "cancel", seq });
  }
  idle(): void {
    this.idleCount++;
  }

  item(
    seq: number,
    isAnswer: boolean,
    item: unknown,
    chargedBytes: number,
  ): void {
    this.told.push({ kind: "item", seq, isAnswer, item, chargedBytes });
  }
  badItem(
    seq: number,
    isAnswer: boolean,
    { code }: RpcError,
    chargedBytes: number,
  ): void {
    this.told.push({ kind: "badItem", seq, isAnswer, code, chargedBytes });
  }
  halfClose(seq: number, isAnswer: boolean, metadata?: Metadata): void {
    this.told.push({ kind: "halfClose", seq, isAnswer, ...given(metadata) });
  }
  credit(seq: number, isAnswer: boolean, bytes: number): void {
    this.told.push({ kind: "credit", seq, isAnswer, bytes });
  }
  goaway(lastSeq: number, error: RpcError): void {
    this.told.push({ kind: "goaway", lastSeq, code: error.code, error });
  }
  ping(number: number): void {
    this.told.push({ kind: "ping", number });
  }
  pong(number: number): void {
    this.told.push({ kind: "pong", number });
  }
  awaits(seq: number, isAnswer: boolean): boolean {
    return !(isAnswer ? this.givenUp : this.givenUpArguments).has(seq);
  }

  /** What was told since the last take(). */
  take(): Told[] {
    return this.told.splice(0);
  }

  takeOne(): Told {
    const told = this.take();
    if (told.length !== 1) {
      throw new Error(`${told.length} messages instead of one`);
    }
    return told[0] as Told;
  }
}

/** Lets `codec` read `bytes`, in chunks of at most `chunkBytes`. */
export function readAll(
  codec: Codec,
  inbound: Inbound,
  bytes: Uint8Array,
  chunkBytes = Infinity,
): void {
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    codec.push(bytes.slice(at, at + chunkBytes));
    while (codec.read(inbound));
  }
}

/** All that waits in `out`, with the pieces that follow, as a copy. */
export function takeAll(codec: Codec, out: SendBuffer): Uint8Array {
  while (codec.heldBytes > 0) codec.writePiece(out);
  const bytes = out.pending().slice();
  out.consume(bytes.length);
  return bytes;
}

export function contextOf(
  role: "dial" | "accept",
  limits: Partial<Limits> = {},
  bodies: readonly string[] = [],
): CodecContext {
  return { role, limits: { ...defaultLimits, ...limits }, bodies };
}

/** Lets the dialling end hear the settings that come before all else, where the codec has them. */
export function greet(dial: Codec, accept: Codec): void {
  if (!accept.features.settings) return;
  const out = new SendBuffer();
  accept.writeSettings(out, { protocol: 1, maxMessageBytes: 4_194_304 });
  readAll(dial, new Recorder(), takeAll(accept, out));
}

/** Both ends of one connection, without a connection. */
export class Ends {
  readonly dial: Codec;
  readonly accept: Codec;
  readonly out = new SendBuffer();
  readonly recorder = new Recorder();

  constructor(
    codecType: string,
    limits: Partial<Limits> = {},
    bodies: readonly string[] = [],
  ) {
    this.dial = createCodec(codecType, contextOf("dial", limits, bodies));
    this.accept = createCodec(codecType, contextOf("accept", limits, bodies));
    greet(this.dial, this.accept);
  }

  /** What the dialling end writes besides calls, where the codec has that. */
  get dialSession(): SessionMessages {
    return this.dial.session as SessionMessages;
  }

  get acceptSession(): SessionMessages {
    return this.accept.session as SessionMessages;
  }

  /** What waits to be sent, without the pieces that follow. */
  takeOut(): Uint8Array {
    const bytes = this.out.pending().slice();
    this.out.clear();
    return bytes;
  }

  /** What the accepting end reads of a request. */
  request(args: unknown, head: Partial<RequestHead> = {}, body?: string): Told {
    this.dial.writeRequest(this.out, headOf(head), args, body);
    return this.accepted(takeAll(this.dial, this.out)).takeOne();
  }

  /** What the dialling end reads of a response. */
  response(reply: unknown, seq = 1, serviceMethod = "Arith.sum"): Told {
    this.accept.writeResponse(this.out, seq, serviceMethod, reply);
    return this.dialled(takeAll(this.accept, this.out)).takeOne();
  }

  /** What the dialling end reads of an error. */
  error(error: RpcError, seq = 1, serviceMethod = "Arith.sum"): Told {
    this.accept.writeError(this.out, seq, serviceMethod, error);
    return this.dialled(takeAll(this.accept, this.out)).takeOne();
  }

  /** The accepting end reads `bytes`. */
  accepted(bytes: Uint8Array): Recorder {
    readAll(this.accept, this.recorder, bytes);
    return this.recorder;
  }

  /** The dialling end reads `bytes`. */
  dialled(bytes: Uint8Array): Recorder {
    readAll(this.dial, this.recorder, bytes);
    return this.recorder;
  }
}

export function headOf(head: Partial<RequestHead> = {}): RequestHead {
  return {
    seq: 1,
    serviceMethod: "Arith.sum",
    timeoutMs: 0,
    sentAtMs: 0,
    oneWay: false,
    untilReply: false,
    isStream: false,
    ...head,
  };
}

export { binaryCodecType, jsonCodecType };
