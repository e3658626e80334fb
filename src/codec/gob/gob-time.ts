import { malformed } from "./gob-errors.ts";
import type { GobReader } from "./gob-reader.ts";
import type { GobWriter } from "./gob-writer.ts";
import { Misfit } from "./misfit.ts";
import { OpaqueType } from "./opaque-type.ts";
import { misfit } from "./scalar-types.ts";

/** Seconds from year 1, where Go counts from, to 1970. */
const epochSeconds = 62_135_596_800;
/** The zero time.Time, in ms. */
const zeroMs = -epochSeconds * 1000;
const maxDateMs = 8.64e15;
const scratch = new DataView(new ArrayBuffer(16));
const scratchBytes = new Uint8Array(scratch.buffer);

/**
 * A time.Time of which a Date would lose something: nanoseconds, a zone that
 * is not UTC, a year that no Date reaches (then it is an invalid Date), or that
 * it was sent although it is zero.
 *
 * It is the Date of the same instant, rounded down to the millisecond, and
 * goes back to Go exactly. One that was moved by a setter of Date counts as
 * the Date that it has become, in its zone.
 */
export class GobTime extends Date {
  /** Whole seconds since 1970. */
  readonly unixSeconds: bigint;
  /** Of the second: 0 to 999,999,999. */
  readonly nanoseconds: number;
  /** East of UTC; undefined is UTC, which Go tells from a zone that is 0 s away. */
  readonly zoneSeconds: number | undefined;
  readonly #atMs: number;

  constructor(
    unixSeconds: bigint | number,
    nanoseconds = 0,
    zoneSeconds?: number,
  ) {
    const ms = Number(unixSeconds) * 1000 + Math.floor(nanoseconds / 1e6);
    super(ms);
    this.unixSeconds = BigInt(unixSeconds);
    this.nanoseconds = nanoseconds;
    this.zoneSeconds = zoneSeconds;
    this.#atMs = this.getTime();
  }

  /** Whether the date part was changed since. */
  get isMoved(): boolean {
    return !Object.is(this.getTime(), this.#atMs);
  }
}

/**
 * time.Time ↔ Date, or GobTime where a Date would lose something. Sends also
 * text that Date understands, as JSON has it.
 *
 * The zero time is left out and arrives as the Date of year 1. One that was
 * sent all the same was behind a pointer, or an element: it arrives as a
 * GobTime, and a GobTime is always sent.
 *
 * Layout: version 1, int64 seconds since year 1, int32 nanoseconds, int16
 * minutes east of UTC (-1 is UTC), big-endian; version 2 has the zone's
 * seconds behind as int8.
 * Source: time.Time.AppendBinary.
 */
export class TimeType extends OpaqueType {
  constructor() {
    super("gob", "Time");
  }

  override write(writer: GobWriter, value: unknown): void {
    const date = typeof value === "string" ? new Date(value) : value;
    if (!(date instanceof Date)) throw misfit(value, "a time");
    let zoneSeconds: number | undefined;
    if (date instanceof GobTime && !date.isMoved) {
      ({ zoneSeconds } = date);
      const seconds = date.unixSeconds + BigInt(epochSeconds);
      scratch.setBigInt64(1, BigInt.asIntN(64, seconds));
      scratch.setUint32(9, date.nanoseconds);
    } else {
      if (date instanceof GobTime) ({ zoneSeconds } = date);
      const ms = date.getTime();
      if (Number.isNaN(ms)) throw new Misfit("is an invalid Date");
      const seconds = Math.floor(ms / 1000);
      scratch.setBigInt64(1, BigInt(seconds + epochSeconds));
      scratch.setUint32(9, (ms - seconds * 1000) * 1e6);
    }
    writer.writeBytes(scratchBytes.subarray(0, writeZone(zoneSeconds)));
  }

  override read(reader: GobReader): Date {
    const length = reader.readLength();
    const { bytes, at } = reader;
    reader.charge(4);
    reader.at += length;
    const version = length === 15 ? 1 : length === 16 ? 2 : 0;
    if (version === 0 || bytes[at] !== version) {
      reader.flag(malformed("a time.Time in an unknown form"));
      return new Date(NaN);
    }
    const seconds = bytes.readBigInt64BE(at + 1) - BigInt(epochSeconds);
    const nanoseconds = bytes.readUInt32BE(at + 9);
    if (nanoseconds >= 1e9) {
      reader.flag(malformed("a time.Time past its second"));
      return new Date(NaN);
    }
    const minutes = bytes.readInt16BE(at + 13);
    const isUtc = version === 1 && minutes === -1;
    const ms = Number(seconds) * 1000 + nanoseconds / 1e6;
    if (isUtc && nanoseconds % 1e6 === 0 && isPlainDate(ms)) {
      return new Date(ms);
    }
    const spare = version === 2 ? bytes.readInt8(at + 15) : 0;
    const zoneSeconds = isUtc ? undefined : minutes * 60 + spare;
    return new GobTime(seconds, nanoseconds, zoneSeconds);
  }

  override isZero(value: unknown): boolean {
    return (
      value instanceof Date &&
      !(value instanceof GobTime) &&
      value.getTime() === zeroMs
    );
  }

  override zero(): Date {
    return new Date(zeroMs);
  }
}

function isPlainDate(ms: number): boolean {
  return Math.abs(ms) <= maxDateMs && ms !== zeroMs;
}

/** Writes version and zone into the scratch; returns the length of the whole. */
function writeZone(zoneSeconds: number | undefined): number {
  const spare = zoneSeconds === undefined ? 0 : zoneSeconds % 60;
  const minutes = zoneSeconds === undefined ? -1 : Math.trunc(zoneSeconds / 60);
  if (
    zoneSeconds !== undefined &&
    (minutes === -1 || !(Math.abs(minutes) < 32768))
  ) {
    throw new Misfit(`has a zone that time.Time cannot send`);
  }
  scratch.setUint8(0, spare === 0 ? 1 : 2);
  scratch.setInt16(13, minutes);
  scratch.setInt8(15, spare);
  return spare === 0 ? 15 : 16;
}
