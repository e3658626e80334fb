import { expect, test } from "bun:test";
import { gob } from "../../../src/codec/gob/gob.ts";
import { GobEncoder } from "../../../src/codec/gob/gob-encoder.ts";
import { GobTime } from "../../../src/codec/gob/gob-time.ts";
import { SendBuffer } from "../../../src/wire/send-buffer.ts";
import { decodeAll } from "./vectors.ts";

// A GobEncoder type that Go defines without a name: times are told by their bytes.

const nameless = gob.struct({ V: gob.opaque("gob", "") });

function decoded(hex: string): unknown {
  const out = new SendBuffer();
  const V = Uint8Array.fromHex(hex);
  new GobEncoder().encode(out, { V }, nameless);
  const [value] = decodeAll(out.pending()) as { V: unknown }[];
  return value?.V;
}

test("a time in UTC", () => {
  expect(decoded("010000000edd73118000000000ffff")).toEqual(
    new Date("2024-03-01T00:00:00Z"),
  );
});

test("a time in a zone with seconds, which has 16 bytes", () => {
  const got = decoded("020000000edd73118000000000004b15") as GobTime;
  expect(got).toBeInstanceOf(GobTime);
  expect(got.getTime()).toBe(Date.UTC(2024, 2, 1));
  expect(got.zoneSeconds).toBe(75 * 60 + 21);
});

// All of them as long as a time.
const others = {
  "an Int": "02010000000edd73c980000000004b15",
  "a Rat of 1 and 10 bytes": "020000000101000000000000004b1511",
  "a Rat of 11 bytes": "020000000bdd73c980000000004b1511",
  "a negative Int": "030000000edd73c98000000000004b15",
  "16 bytes past a second": "020000000edd73c9803b9aca00004b15",
  "15 bytes past a second": "010000000edd73c9803b9aca00ffff",
  "14 bytes": "010000000edd73c98000000000ff",
};

test.each(Object.entries(others))("%s is bytes", (_, hex) => {
  expect(decoded(hex)).toEqual(Uint8Array.fromHex(hex));
});
