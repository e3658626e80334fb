import { codeNumber, type RpcError } from "../../errors.ts";
import { cutMessage, flags, kinds, minItemBytes } from "../../wire/frame.ts";
import type { Limits } from "../../wire/limits.ts";
import { encodeMetadata, type Metadata } from "../../wire/metadata.ts";
import type { SendBuffer } from "../../wire/send-buffer.ts";
import type { SessionMessages } from "../codec.ts";
import type { Bodies } from "./body.ts";
import type { BinaryReader } from "./binary-reader.ts";
import { type BodyWriter, mayExceed } from "./body-writer.ts";
import { setContentLength, writeHeader } from "./header.ts";
import type { OutgoingPieces } from "./pieces.ts";

/** What goes out over one binary connection besides calls: streams, and what an end says of the connection. */
export class SessionWriter implements SessionMessages {
  readonly #limits: Limits;
  readonly #bodies: Bodies;
  readonly #bodyWriter: BodyWriter;
  readonly #pieces: OutgoingPieces;
  readonly #reader: BinaryReader;

  constructor(
    limits: Limits,
    bodies: Bodies,
    bodyWriter: BodyWriter,
    pieces: OutgoingPieces,
    reader: BinaryReader,
  ) {
    this.#limits = limits;
    this.#bodies = bodies;
    this.#bodyWriter = bodyWriter;
    this.#pieces = pieces;
    this.#reader = reader;
  }

  writeStreamed(out: SendBuffer, seq: number, metadata?: Metadata): void {
    this.#writeWithMetadata(out, kinds.response, flags.stream, seq, metadata);
  }

  writeItem(
    out: SendBuffer,
    seq: number,
    isAnswer: boolean,
    item: unknown,
  ): number {
    const body = this.#bodies.encode(item);
    if (mayExceed(body.content, this.#bodyWriter.plainInlineBytes)) {
      this.#bodyWriter.fit(body);
    }
    const direction = directionOf(isAnswer);
    const flag = direction | body.flags;
    const from = out.length;
    writeHeader(out, kinds.item, flag, body.encoding, 0, 0, seq);
    const bytes = this.#bodyWriter.write(out, from, seq, direction, body);
    return Math.max(minItemBytes, bytes);
  }

  writeEnd(
    out: SendBuffer,
    seq: number,
    isAnswer: boolean,
    metadata?: Metadata,
  ): void {
    const direction = directionOf(isAnswer);
    this.#writeWithMetadata(out, kinds.end, direction, seq, metadata);
  }

  #writeWithMetadata(
    out: SendBuffer,
    kind: number,
    flag: number,
    seq: number,
    metadata: Metadata | undefined,
  ): void {
    if (metadata === undefined) {
      writeHeader(out, kind, flag, 0, 0, 0, seq);
      return;
    }
    const block = encodeMetadata(metadata, this.#limits);
    writeHeader(out, kind, flag | flags.metadata, 0, 0, block.length, seq);
    out.writeBytes(block);
  }

  dropItem(seq: number, isAnswer: boolean): void {
    this.#pieces.drop(seq, directionOf(isAnswer));
  }

  holds(seq: number, isAnswer: boolean): boolean {
    return this.#pieces.holds(seq, directionOf(isAnswer));
  }

  forgetItem(seq: number, isAnswer: boolean): number {
    return this.#reader.forgetItem(seq, isAnswer);
  }

  writeCredit(
    out: SendBuffer,
    seq: number,
    isAnswer: boolean,
    bytes: number,
  ): void {
    writeHeader(out, kinds.credit, directionOf(isAnswer), 0, 0, 4, seq);
    out.writeUint32(bytes);
  }

  writeGoaway(out: SendBuffer, lastSeq: number, error: RpcError): void {
    const from = out.length;
    writeHeader(out, kinds.goaway, 0, 0, codeNumber(error.code), 0, lastSeq);
    out.writeText(cutMessage(error.message));
    setContentLength(out, out.length - from);
  }

  writePing(out: SendBuffer, number: number): void {
    writeHeader(out, kinds.ping, 0, 0, 0, 0, number);
  }

  writePong(out: SendBuffer, number: number): void {
    writeHeader(out, kinds.pong, 0, 0, 0, 0, number);
  }
}

/** The flag that says whose calls a seq counts. */
function directionOf(isAnswer: boolean): number {
  return isAnswer ? flags.answer : 0;
}
