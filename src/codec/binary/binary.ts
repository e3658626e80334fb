import type { RpcError } from "../../errors.ts";
import type { SendBuffer } from "../../wire/send-buffer.ts";
import type {
  Codec,
  CodecContext,
  CodecFeatures,
  Form,
  Inbound,
  RequestHead,
  Settings,
} from "../codec.ts";
import { BinaryReader } from "./binary-reader.ts";
import { BinaryWriter } from "./binary-writer.ts";
import { Bodies } from "./body.ts";
import { OutgoingPieces } from "./pieces.ts";

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

  constructor(context: CodecContext) {
    const bodies = new Bodies(context.limits, context.bodies);
    this.#reader = new BinaryReader(context, bodies, this.#pieces);
    this.#writer = new BinaryWriter(context.limits, bodies, this.#pieces);
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
  ): void {
    this.#writer.writeResponse(out, seq, reply);
  }

  writeError(
    out: SendBuffer,
    seq: number,
    _serviceMethod: string,
    error: RpcError,
  ): void {
    this.#writer.writeError(out, seq, error);
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
