import { RpcError } from "../../errors.ts";
import { rememberOrigin } from "./concrete.ts";
import { type Definition, definitionType } from "./definition.ts";
import { broken, exhausted, malformed } from "./gob-errors.ts";
import { defaultGobLimits, type GobLimits } from "./gob-limits.ts";
import { GobReader } from "./gob-reader.ts";
import { GobRegistry } from "./gob-registry.ts";
import { type GobType, holdsInterface } from "./gob-type.ts";
import { MessageBuffer } from "./message-buffer.ts";
import { TypeTable } from "./type-table.ts";

export interface GobDecoderOptions {
  limits?: Partial<GobLimits>;
  registry?: GobRegistry;
}

/** A value, or why it could not be read; `type` is what the peer said it is. */
export type GobResult =
  | {
      readonly value: unknown;
      readonly type: GobType;
      readonly error?: undefined;
    }
  | { readonly error: RpcError; readonly type: GobType | undefined };

/** Thrown through a value that goes on in a message which is not there yet. */
class MessageMissing extends Error {}
const messageMissing = new MessageMissing();

/** Bytes of a value that are read again, in multiples of the largest message, before the stream is given up. */
const maxRereads = 8;

/**
 * The receiving end of one gob stream: one for each direction of a connection.
 *
 * push() takes bytes in any pieces; next() gives one value at a time. A value
 * that is bad inside well-formed messages is a result with an error, and the
 * stream goes on behind it. Where the bytes cannot be followed any further,
 * next() throws, and throws the same from then on.
 *
 * A value ends with its message, except where an interface inside it defines a
 * new type: that ends the message, and the value goes on in the next. Nobody
 * can tell without reading the value, so it is read from its start again once
 * the message is there; how much is read again is bounded.
 */
export class GobDecoder {
  readonly #limits: GobLimits;
  readonly #types: TypeTable;
  readonly #reader: GobReader;
  readonly #buffer: MessageBuffer;
  #failure: RpcError | undefined;
  /** How far behind the next value's start the messages are known to be its own. */
  #scanned = 0;
  #rereadBytes = 0;
  /** Cells that values may still take beyond what their own bytes allow. */
  #freeCells: number;
  /** The type of the value being read. */
  #type: GobType | undefined;

  constructor(options: GobDecoderOptions = {}) {
    this.#limits = { ...defaultGobLimits, ...options.limits };
    this.#freeCells = this.#limits.freeCells;
    this.#types = new TypeTable(
      this.#limits,
      options.registry ?? new GobRegistry(),
    );
    this.#reader = new GobReader(this.#limits, (name) =>
      this.#readConcrete(name),
    );
    this.#buffer = new MessageBuffer(this.#limits.maxMessageBytes);
  }

  /** Takes bytes of the stream; `chunk` is copied. */
  push(chunk: Uint8Array): void {
    if (this.#failure === undefined) this.#buffer.push(chunk);
  }

  /** Bytes that wait: a stream that ends with some was cut. */
  get pendingBytes(): number {
    return this.#buffer.length;
  }

  /** The ids of the types received so far: what a GobEncoder takes as `typeIds`. */
  typeIds(): Map<GobType, number> {
    return this.#types.ids();
  }

  /**
   * The next value, or undefined while more bytes are needed.
   *
   * @throws RpcError internal            the peer breaks gob's rules; end the connection
   * @throws RpcError resource_exhausted  a message or the definitions are too large; end the connection
   */
  next(): GobResult | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return this.#next();
    } catch (thrown) {
      this.#buffer.clear();
      this.#failure = asFailure(thrown);
      throw this.#failure;
    }
  }

  #next(): GobResult | undefined {
    if (this.#scanned > 0) return this.#resume();
    const buffer = this.#buffer;
    const reader = this.#reader;
    for (;;) {
      const length = buffer.message(0);
      if (length < 0) return undefined;
      this.#open(0, length);
      this.#allow(length);
      const id = reader.readId();
      if (id >= 0) return this.#readValue(id);
      this.#define(-id);
      if (reader.left > 0) throw broken("bytes behind a definition");
      buffer.consume(buffer.headerBytes + length);
    }
  }

  /** Reads the value whose messages have come, as far as is known, in full. */
  #resume(): GobResult | undefined {
    const buffer = this.#buffer;
    const reader = this.#reader;
    for (;;) {
      const length = buffer.message(this.#scanned);
      if (length < 0) return undefined;
      this.#open(this.#scanned, length);
      const isDefinition = reader.readId() < 0;
      this.#scanned += buffer.headerBytes + length;
      this.#checkSize(this.#scanned);
      if (!isDefinition) break;
    }
    this.#rereadBytes += this.#scanned;
    if (this.#rereadBytes > maxRereads * this.#limits.maxMessageBytes) {
      throw exhausted("a value in too many pieces");
    }
    const length = buffer.message(0);
    this.#open(0, length);
    this.#allow(length);
    return this.#readValue(reader.readId());
  }

  #readValue(id: number): GobResult | undefined {
    const reader = this.#reader;
    const mark = this.#types.mark();
    this.#type = undefined;
    let result: GobResult;
    try {
      const type = (this.#type = this.#types.get(id));
      reader.flaw = undefined;
      const value = this.#readTop(type);
      if (reader.left > 0) throw malformed("bytes behind a value");
      const error: RpcError | undefined = reader.flaw;
      result = error === undefined ? { value, type } : { error, type };
    } catch (thrown) {
      if (thrown instanceof MessageMissing) {
        this.#types.rollback(mark);
        this.#settle(0);
        return undefined;
      }
      result = this.#skipped(RpcError.from(thrown, "internal"));
    }
    const bytes = reader.end - this.#buffer.start;
    this.#buffer.consume(bytes);
    this.#settle(bytes);
    this.#scanned = 0;
    this.#rereadBytes = 0;
    return result;
  }

  /**
   * Where a bad value ends is known only if it cannot go on in another message.
   * @throws RpcError  it might
   */
  #skipped(error: RpcError): GobResult {
    const type = this.#type;
    if (type !== undefined && holdsInterface(type)) throw error;
    return { error, type };
  }

  /** A value by itself: one that is no struct has a zero before it. */
  #readTop(type: GobType): unknown {
    const reader = this.#reader;
    if (type.kind !== "struct" && reader.readByte() !== 0) {
      throw malformed("a lone value that does not start with a zero");
    }
    return type.read(reader);
  }

  #readConcrete(name: string): unknown {
    const reader = this.#reader;
    reader.enter(8);
    let id: number;
    for (;;) {
      if (reader.left === 0) this.#openNext();
      id = reader.readId();
      if (id >= 0) break;
      this.#define(-id);
      if (reader.left > 0) reader.readUint();
    }
    reader.readLength();
    const type = this.#types.get(id);
    const value = this.#readTop(type);
    reader.leave();
    rememberOrigin(value, name, type);
    return value;
  }

  #define(id: number): void {
    const reader = this.#reader;
    const { at, depth } = reader;
    reader.depth = 0;
    let definition: unknown;
    try {
      definition = definitionType.read(reader);
    } catch (thrown) {
      throw broken(`a bad definition: ${RpcError.from(thrown).message}`);
    }
    reader.depth = depth;
    this.#types.define(id, definition as Definition, reader.at - at);
  }

  /** Points the reader at the message that is `offset` behind the next value's start. */
  #open(offset: number, length: number): void {
    const buffer = this.#buffer;
    const reader = this.#reader;
    reader.bytes = buffer.bytes;
    reader.at = buffer.start + offset + buffer.headerBytes;
    reader.end = reader.at + length;
    reader.depth = 0;
  }

  /** What a value may take that begins in a message of `length` bytes. */
  #allow(length: number): void {
    this.#reader.cells = this.#freeCells + length * this.#limits.cellsPerByte;
  }

  /** What a value took beyond its bytes is gone, also if it has to be read again; the `bytes` that it was bring some back. */
  #settle(bytes: number): void {
    const { freeCells, refillCellsPerByte } = this.#limits;
    const left = Math.max(0, Math.min(this.#freeCells, this.#reader.cells));
    this.#freeCells = Math.min(freeCells, left + bytes * refillCellsPerByte);
  }

  /** Goes on in the message behind the one that has ended. */
  #openNext(): void {
    const buffer = this.#buffer;
    const reader = this.#reader;
    const offset = reader.end - buffer.start;
    const length = buffer.message(offset);
    if (length < 0) {
      this.#scanned = offset;
      throw messageMissing;
    }
    const { depth } = reader;
    this.#checkSize(offset + buffer.headerBytes + length);
    this.#open(offset, length);
    reader.depth = depth;
    reader.charge(-length * this.#limits.cellsPerByte);
  }

  #checkSize(bytes: number): void {
    const { maxMessageBytes } = this.#limits;
    if (bytes <= maxMessageBytes) return;
    throw exhausted(`a value of ${bytes} bytes, more than ${maxMessageBytes}`);
  }
}

/** What ends a stream is a limit or a broken rule, also where it began as a bad value. */
function asFailure(thrown: unknown): RpcError {
  const error = RpcError.from(thrown, "internal");
  if (error.code === "internal" || error.code === "resource_exhausted") {
    return error;
  }
  return new RpcError("internal", error.message, { cause: error });
}
