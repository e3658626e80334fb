import type { RpcError } from "../../errors.ts";
import {
  flags,
  kinds,
  maxMethodNumbers,
  pieceBytes,
  requestHeadBytes,
} from "../../wire/frame.ts";
import type { Limits } from "../../wire/limits.ts";
import type { SendBuffer } from "../../wire/send-buffer.ts";
import type { Form, RequestHead, Settings } from "../codec.ts";
import { type Bodies, tooLong } from "./body.ts";
import { writeErrorFrame } from "./error-frame.ts";
import { setContentLength, writeHeader } from "./header.ts";
import { encodeName, SentNames } from "./method-numbers.ts";
import type { OutgoingPieces } from "./pieces.ts";
import { settingsText } from "./settings.ts";

/** What goes out over one binary connection; a large body is left in `pieces`. */
export class BinaryWriter {
  readonly #limits: Limits;
  /** A body of up to so many bytes stands in its message's own frame. */
  readonly #inlineBytes: number;
  readonly #bodies: Bodies;
  readonly #pieces: OutgoingPieces;
  readonly #sentNames = new SentNames(maxMethodNumbers);

  constructor(limits: Limits, bodies: Bodies, pieces: OutgoingPieces) {
    this.#limits = limits;
    this.#inlineBytes = Math.min(pieceBytes, limits.maxMessageBytes);
    this.#bodies = bodies;
    this.#pieces = pieces;
  }

  writeSettings(out: SendBuffer, settings: Settings): void {
    const text = settingsText(settings);
    writeHeader(out, kinds.settings, 0, 0, 0, text.length, 0);
    out.writeText(text);
  }

  writeRequest(
    out: SendBuffer,
    head: RequestHead,
    args: unknown,
    form?: Form,
  ): void {
    const { seq, serviceMethod } = head;
    const body = this.#bodies.encode(args, bodyNameOf(form));
    const large = this.#largeBytes(body.content);
    const number = this.#sentNames.numberOf(serviceMethod);
    const name = number === undefined ? encodeName(serviceMethod) : undefined;
    let flag = head.oneWay ? flags.oneWay : 0;
    if (name !== undefined) flag |= flags.named;
    if (large !== undefined) flag |= flags.pieces;
    const from = out.length;
    writeHeader(out, kinds.request, flag, body.encoding, 0, 0, seq);
    out.reserve(requestHeadBytes);
    const { view, end } = out;
    view.setUint32(end, timeoutOnWire(head.timeoutMs), true);
    view.setUint32(end + 4, head.sentAtMs, true);
    view.setUint16(
      end + 8,
      number ?? this.#sentNames.assign(serviceMethod),
      true,
    );
    out.end = end + requestHeadBytes;
    if (name !== undefined) {
      out.writeUint16(name.length);
      out.writeBytes(name);
    }
    this.#writeBody(out, from, seq, 0, body.content, large);
  }

  writeResponse(out: SendBuffer, seq: number, reply: unknown): void {
    const body = this.#bodies.encode(reply);
    const large = this.#largeBytes(body.content);
    const flag = large === undefined ? 0 : flags.pieces;
    const from = out.length;
    writeHeader(out, kinds.response, flag, body.encoding, 0, 0, seq);
    this.#writeBody(out, from, seq, flags.answer, body.content, large);
  }

  /** Appends the body, or its total length where it follows in pieces, and completes the header. */
  #writeBody(
    out: SendBuffer,
    from: number,
    seq: number,
    direction: number,
    content: string | Uint8Array,
    large: Uint8Array | undefined,
  ): void {
    if (large !== undefined) {
      out.writeUint32(large.length);
      this.#pieces.add(seq, direction, large);
    } else if (typeof content === "string") out.writeText(content);
    else out.writeBytes(content);
    setContentLength(out, out.length - from);
  }

  /** The body's bytes where it has to go in pieces. */
  #largeBytes(content: string | Uint8Array): Uint8Array | undefined {
    // A UTF-16 unit is at most three bytes of UTF-8.
    const isText = typeof content === "string";
    if ((isText ? content.length * 3 : content.length) <= this.#inlineBytes) {
      return undefined;
    }
    const length = isText ? Buffer.byteLength(content) : content.length;
    const { maxMessageBytes } = this.#limits;
    if (length > maxMessageBytes) throw tooLong(length, maxMessageBytes);
    if (length <= pieceBytes) return undefined;
    return isText ? Buffer.from(content) : content;
  }

  writeError(out: SendBuffer, seq: number, error: RpcError): void {
    this.#pieces.drop(seq, flags.answer);
    writeErrorFrame(out, seq, error, this.#bodies);
  }

  writeCancel(out: SendBuffer, seq: number): void {
    this.#pieces.drop(seq, 0);
    writeHeader(out, kinds.cancel, 0, 0, 0, 0, seq);
  }
}

/** Whole ms from 1, since 0 is no limit; 49 days at most. */
function timeoutOnWire(timeoutMs: number): number {
  if (timeoutMs === 0) return 0;
  return Math.min(Math.max(1, Math.ceil(timeoutMs)), 0xffff_ffff);
}

/** A Go type says nothing here: this codec carries what the value is. */
function bodyNameOf(form: Form | undefined): string | undefined {
  return typeof form === "string" ? form : undefined;
}
