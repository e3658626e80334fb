/** Of most idle connections: an Option or settings, and a little more. */
const usualCapacity = 256;
/** A buffer that has grown past this is let go once it is empty. */
const keptCapacity = 256 * 1024;
/** The largest array that is kept as the spare. */
const spareCapacity = 2 * 1024 * 1024;
/** A text longer than this is counted before room is made for it. */
const countedLength = 4 * 1024;
/** A text up to this long is written by a loop. */
const loopedLength = 16;

const noBytes = new Uint8Array(0);
const noView = new DataView(noBytes.buffer);
const noText = Buffer.from(noBytes.buffer);

/**
 * A large array that a buffer has let go, for the next one that grows: a
 * connection whose socket is often full would take, fill and drop one each
 * time. One for the process.
 */
let spare: Uint8Array<ArrayBuffer> = noBytes;

/**
 * Bytes on their way out: what is encoded is appended at `end`, what was sent
 * is taken away at `start`, in one growing array, so that many small messages
 * become one write.
 *
 * Writers call `reserve(n)` once, then write up to `n` bytes through `bytes`
 * and `view` at `end` and move `end`. Any reserve() may move what is there, so
 * positions do not outlive it: count back from `end`. A writer that fails
 * half-way calls `truncate(length)` with the `length` that it found.
 * Numbers are little-endian. Single-threaded, no I/O.
 */
export class SendBuffer {
  bytes: Uint8Array<ArrayBuffer> = noBytes;
  view: DataView<ArrayBuffer> = noView;
  /** Same memory as `bytes`: Buffer's write() encodes strings in place. */
  #text: Buffer<ArrayBuffer> = noText;
  readonly #firstCapacity: number;
  start = 0;
  end = 0;

  /** @param firstCapacity bytes of the first room, taken when it is needed */
  constructor(firstCapacity = usualCapacity) {
    this.#firstCapacity = firstCapacity;
  }

  /** Bytes that wait to be taken. */
  get length(): number {
    return this.end - this.start;
  }

  /** Makes room for `count` bytes behind `end`. */
  reserve(count: number): void {
    if (this.end + count > this.bytes.length) this.#grow(count);
  }

  writeByte(value: number): void {
    this.reserve(1);
    this.bytes[this.end++] = value;
  }

  writeUint16(value: number): void {
    this.reserve(2);
    this.view.setUint16(this.end, value, true);
    this.end += 2;
  }

  writeUint32(value: number): void {
    this.reserve(4);
    this.view.setUint32(this.end, value, true);
    this.end += 4;
  }

  writeBytes(source: Uint8Array): void {
    this.reserve(source.length);
    this.bytes.set(source, this.end);
    this.end += source.length;
  }

  /** Appends `text` as UTF-8 and returns its length in bytes. */
  writeText(text: string): number {
    if (text.length <= loopedLength && this.#writeAscii(text)) {
      return text.length;
    }
    // Three bytes a UTF-16 unit are the most; counting costs more than that room, until it is much.
    this.reserve(
      text.length <= countedLength ? text.length * 3 : Buffer.byteLength(text),
    );
    const written = this.#text.write(text, this.end);
    this.end += written;
    return written;
  }

  /** Appends a short text unless it has other characters: 15 ns for four of them, where write() takes 45. */
  #writeAscii(text: string): boolean {
    const { length } = text;
    this.reserve(length);
    const { bytes, end } = this;
    for (let at = 0; at < length; at++) {
      const code = text.charCodeAt(at);
      if (code > 0x7f) return false;
      bytes[end + at] = code;
    }
    this.end = end + length;
    return true;
  }

  /** Takes back what was appended since `length` was this. */
  truncate(length: number): void {
    this.end = this.start + length;
  }

  /** The waiting bytes: a view that lives until the next call of any method. */
  pending(): Uint8Array {
    return this.bytes.subarray(this.start, this.end);
  }

  /** Takes `count` bytes from the front. */
  consume(count: number): void {
    this.start += count;
    if (this.start < this.end) return;
    this.start = this.end = 0;
    const { bytes } = this;
    if (bytes.length <= keptCapacity) return;
    if (bytes.length <= spareCapacity) spare = bytes;
    this.#adopt(noBytes);
  }

  clear(): void {
    this.consume(this.length);
  }

  /** Makes room so that half of what is kept comes again before the next move: moving stays linear. */
  #grow(count: number): void {
    const needed = this.length + count;
    if (needed * 2 <= this.bytes.length) {
      this.bytes.copyWithin(0, this.start, this.end);
      this.end -= this.start;
      this.start = 0;
      return;
    }
    const capacity = 2 ** Math.ceil(Math.log2(needed * 1.5));
    this.#adopt(takeRoom(Math.max(this.#firstCapacity, capacity)));
  }

  #adopt(bytes: Uint8Array<ArrayBuffer>): void {
    bytes.set(this.pending());
    this.end -= this.start;
    this.start = 0;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
    this.#text = Buffer.from(bytes.buffer);
  }
}

/** An array of so many bytes or more, whatever they are: only what is written is sent. */
function takeRoom(capacity: number): Uint8Array<ArrayBuffer> {
  if (capacity > keptCapacity && capacity <= spare.length) {
    const room = spare;
    spare = noBytes;
    return room;
  }
  return new Uint8Array(Buffer.allocUnsafeSlow(capacity).buffer);
}
