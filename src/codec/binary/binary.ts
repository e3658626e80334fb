import type { RpcError } from "../../errors.ts";
import type { Metadata } from "../../wire/metadata.ts";
import type { SendBuffer } from "../../wire/send-buffer.ts";
import type {
  Codec,
  CodecContext,
  CodecFeatures,
  Form,
  Inbound,
  RequestHead,
  SessionMessages,
  Settings,
} from "../codec.ts";
import { BinaryReader } from "./binary-reader.ts";
import { BinaryWriter } from "./binary-writer.ts";
import { Bodies } from "./body.ts";
import { BodyWriter } from "./body-writer.ts";
import { BodyCompression } from "./compression.ts";
import { OutgoingPieces } from "./pieces.ts";
import { SessionWriter } from "./session-writer.ts";

const features: CodecFeatures = { settings: true, cancel: true, oneWay: true };

/** The codec behind `application/x-geerpc`: PROTOCOL.md describes every byte. */
export function binaryCodec(context: CodecContext): Codec {
  return new BinaryCodec(context);
}

class BinaryCodec implements Codec {
  readonly features = features;
  readonly #pieces = new OutgoingPieces();
  readonly #reader: BinaryReader;
  readonly #writer: BinaryWriter;
  readonly session: SessionMessages;

  constructor(context: CodecContext) {
    const { limits } = context;
    const pieces = this.#pieces;
    const bodies = new Bodies(limits, context.bodies);
    const compression = new BodyCompression(context);
    const bodyWriter = new BodyWriter(limits, pieces, compression);
    const reader = new BinaryReader(context, bodies, pieces, compression);
    this.#reader = reader;
    this.#writer = new BinaryWriter(limits, bodies, bodyWriter, pieces);
    this.session = new SessionWriter(
      limits,
      bodies,
      bodyWriter,
      pieces,
      reader,
    );
  }

  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  read(inbound: Inbound): boolean {
    return this.#reader.read(inbound);
  }

  get partialRequests(): number {
    return this.#reader.partialRequests;
  }

  dropStalled(inbound: Inbound): void {
    this.#reader.dropStalled(inbound);
  }

  writeSettings(out: SendBuffer, settings: Settings): void {
    this.#writer.writeSettings(out, settings);
  }

  writeRequest(
    out: SendBuffer,
    head: RequestHead,
    args: unknown,
    form?: Form,
  ): void {
    this.#writer.writeRequest(out, head, args, form);
  }

  writeResponse(
    out: SendBuffer,
    seq: number,
    _serviceMethod: string,
    reply: unknown,
    metadata?: Metadata,
  ): void {
    this.#writer.writeResponse(out, seq, reply, metadata);
  }

  writeError(
    out: SendBuffer,
    seq: number,
    _serviceMethod: string,
    error: RpcError,
    metadata?: Metadata,
  ): void {
    this.#writer.writeError(out, seq, error, metadata);
  }

  writeCancel(out: SendBuffer, seq: number): void {
    this.#reader.forgetResponse(seq);
    this.#writer.writeCancel(out, seq);
  }

  get heldBytes(): number {
    return this.#pieces.heldBytes;
  }

  writePiece(out: SendBuffer): void {
    this.#pieces.write(out);
  }
}
