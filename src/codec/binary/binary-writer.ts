import { RpcError } from "../../errors.ts";
import {
  flags,
  kinds,
  maxMethodNumbers,
  requestHeadBytes,
} from "../../wire/frame.ts";
import type { Limits } from "../../wire/limits.ts";
import { encodeMetadata, type Metadata } from "../../wire/metadata.ts";
import type { SendBuffer } from "../../wire/send-buffer.ts";
import type { Form, RequestHead, Settings } from "../codec.ts";
import type { Bodies } from "./body.ts";
import { type BodyWriter, mayExceed } from "./body-writer.ts";
import { writeErrorFrame } from "./error-frame.ts";
import { writeHeader } from "./header.ts";
import { encodeName, SentNames } from "./method-numbers.ts";
import type { OutgoingPieces } from "./pieces.ts";
import { settingsText } from "./settings.ts";
import { refuseOneWayStream } from "./stream-reader.ts";

/** What goes out over one binary connection besides streams; a large body is left in `pieces`. */
export class BinaryWriter {
  readonly #limits: Limits;
  readonly #bodies: Bodies;
  readonly #bodyWriter: BodyWriter;
  readonly #pieces: OutgoingPieces;
  readonly #sentNames = new SentNames(maxMethodNumbers);

  constructor(
    limits: Limits,
    bodies: Bodies,
    bodyWriter: BodyWriter,
    pieces: OutgoingPieces,
  ) {
    this.#limits = limits;
    this.#bodies = bodies;
    this.#bodyWriter = bodyWriter;
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
    const { seq, serviceMethod, isStream, metadata } = head;
    refuseOneWayStream(head);
    const body = isStream
      ? this.#bodies.encode(undefined)
      : this.#bodies.encode(args, bodyNameOf(form));
    if (mayExceed(body.content, this.#bodyWriter.plainInlineBytes)) {
      this.#bodyWriter.fit(body);
    }
    const block = this.#encodeMetadata(metadata);
    const number = this.#sentNames.numberOf(serviceMethod);
    const name = number === undefined ? encodeName(serviceMethod) : undefined;
    let flag = flagsOf(head) | body.flags;
    if (name !== undefined) flag |= flags.named;
    if (block !== undefined) flag |= flags.metadata;
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
    if (block !== undefined) out.writeBytes(block);
    this.#bodyWriter.write(out, from, seq, 0, body);
  }

  writeResponse(
    out: SendBuffer,
    seq: number,
    reply: unknown,
    metadata: Metadata | undefined,
  ): void {
    const body = this.#bodies.encode(reply);
    if (mayExceed(body.content, this.#bodyWriter.plainInlineBytes)) {
      this.#bodyWriter.fit(body);
    }
    const block = this.#encodeMetadata(metadata);
    let flag = body.flags;
    if (block !== undefined) flag |= flags.metadata;
    const from = out.length;
    writeHeader(out, kinds.response, flag, body.encoding, 0, 0, seq);
    if (block !== undefined) out.writeBytes(block);
    this.#bodyWriter.write(out, from, seq, flags.answer, body);
  }

  /** As details: metadata that does not fit is left out, since an error must always get through. */
  writeError(
    out: SendBuffer,
    seq: number,
    error: RpcError,
    metadata: Metadata | undefined,
  ): void {
    this.#pieces.drop(seq, flags.answer);
    let block: Uint8Array | undefined;
    try {
      block = this.#encodeMetadata(metadata);
    } catch {
      block = undefined;
    }
    writeErrorFrame(out, seq, error, this.#bodies, block);
  }

  writeCancel(out: SendBuffer, seq: number): void {
    this.#pieces.drop(seq, 0);
    writeHeader(out, kinds.cancel, 0, 0, 0, 0, seq);
  }

  #encodeMetadata(metadata: Metadata | undefined): Uint8Array | undefined {
    return metadata && encodeMetadata(metadata, this.#limits);
  }
}

function flagsOf({ oneWay, untilReply, isStream }: RequestHead): number {
  let flag = oneWay ? flags.oneWay : 0;
  if (untilReply === true) flag |= flags.untilReply;
  if (isStream === true) flag |= flags.stream;
  return flag;
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
