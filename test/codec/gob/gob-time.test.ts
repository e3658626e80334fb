import { describe, expect, test } from "bun:test";
import { gob } from "../../../src/codec/gob/gob.ts";
import { GobDecoder } from "../../../src/codec/gob/gob-decoder.ts";
import { GobEncoder } from "../../../src/codec/gob/gob-encoder.ts";
import { GobTime } from "../../../src/codec/gob/gob-time.ts";
import { SendBuffer } from "../../../src/wire/send-buffer.ts";
import { decodeAll } from "./vectors.ts";

const zeroMs = Date.UTC(1, 0, 1) - (Date.UTC(1, 0, 1) + 62_135_596_800_000);

function sent(value: unknown, type = gob.time): unknown {
  const out = new SendBuffer();
  new GobEncoder().encode(out, value, type);
  return decodeAll(out.pending())[0];
}

test("a Date arrives as the same Date, also before 1970", () => {
  for (const ms of [0, -1, 1, 1_700_000_000_123, -8.64e15, 8.64e15]) {
    const arrived = sent(new Date(ms)) as Date;
    expect(arrived.constructor).toBe(Date);
    expect(arrived.getTime()).toBe(ms);
  }
});

test("text that Date understands is sent as its time", () => {
  expect(sent("2026-11-20T01:02:03.456Z")).toEqual(
    new Date("2026-11-20T01:02:03.456Z"),
  );
});

test("nanoseconds and zone arrive, on a Date of the same millisecond", () => {
  for (const zone of [undefined, 0, 7200, -34_200, 4521, -4521]) {
    const arrived = sent(new GobTime(-5n, 999_999_999, zone)) as GobTime;
    expect(arrived).toBeInstanceOf(GobTime);
    expect(arrived.getTime()).toBe(-4001);
    expect(arrived.nanoseconds).toBe(999_999_999);
    expect(arrived.zoneSeconds).toBe(zone);
  }
});

test("a year that no Date reaches goes back as it came", () => {
  const arrived = sent(new GobTime(2n ** 60n, 5)) as GobTime;
  expect(arrived.unixSeconds).toBe(2n ** 60n);
  expect(arrived.getTime()).toBeNaN();
  expect((sent(arrived) as GobTime).unixSeconds).toBe(2n ** 60n);
});

test("one that was moved counts as the Date that it became", () => {
  const time = new GobTime(5n, 7, 3600);
  time.setTime(9000);
  const arrived = sent(time) as GobTime;
  expect(arrived.getTime()).toBe(9000);
  expect(arrived.nanoseconds).toBe(0);
  expect(arrived.zoneSeconds).toBe(3600);
});

test("zones that time.Time cannot send are refused", () => {
  for (const zone of [-60, -90, 32_768 * 60]) {
    expect(() => sent(new GobTime(1n, 1, zone))).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  }
});

describe("the zero time", () => {
  const stamp = gob.struct({ At: gob.time });

  test("is left out, and arrives", () => {
    const out = new SendBuffer();
    const encoder = new GobEncoder();
    encoder.encode(out, {}, stamp);
    const { length } = out;
    encoder.encode(out, { At: new Date(zeroMs) }, stamp);
    expect(out.length - length).toBe(4);
    const [none, zero] = decodeAll(out.pending()) as { At: Date }[];
    expect(none?.At.getTime()).toBe(zeroMs);
    expect(zero?.At.getTime()).toBe(zeroMs);
    expect(none?.At).not.toBe(zero?.At as Date);
  });

  test("that was sent is sent again", () => {
    const out = new SendBuffer();
    new GobEncoder().encode(out, { At: new GobTime(zeroMs / 1000) }, stamp);
    const [arrived] = decodeAll(out.pending()) as { At: Date }[];
    expect(arrived?.At).toBeInstanceOf(GobTime);
  });
});

test("a time.Time whose name Go has dropped is recognised", () => {
  // gob.NewEncoder(w).Encode(&t), the first time in a Go program: its definition has no name.
  const hex = "0aff91050102ff9400000013ff92000f010000000f4904287f01406f40ffff";
  const decoder = new GobDecoder();
  decoder.push(Uint8Array.fromHex(hex));
  const result = decoder.next() as { value: Date; type: typeof gob.time };
  expect(result.value).toEqual(new Date(3_513_921_919_021));
  expect(sent(result.value, result.type)).toEqual(result.value);
  expect(sent(new Uint8Array([2, 1, 1]), result.type)).toEqual(
    new Uint8Array([2, 1, 1]),
  );
});
