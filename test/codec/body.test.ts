import { describe, expect, test } from "bun:test";
import {
  type BodyEncoding,
  registerBody,
} from "../../src/codec/binary/body.ts";
import { createCodec } from "../../src/codec/table.ts";
import { RpcError } from "../../src/errors.ts";
import { giveChunk } from "../../src/wire/chunk-memory.ts";
import { codeThrownBy } from "./code-thrown-by.ts";
import { binaryCodecType, contextOf, Ends, headOf } from "./recorder.ts";

class Celsius {
  constructor(readonly degrees: number) {}
}

const celsius: BodyEncoding = {
  claims: (value) => value instanceof Celsius,
  encode: (value) => Uint8Array.of((value as Celsius).degrees),
  decode: ([degrees = 0]) => new Celsius(degrees),
};
const claimsAll: BodyEncoding = {
  claims: () => true,
  encode: () => Uint8Array.of(1),
  decode: () => "claimed",
};
const failing: BodyEncoding = {
  claims: (value) => {
    if (value === "claims") throw new TypeError("claims");
    return typeof value === "string";
  },
  encode: (value) => {
    if (value === "encode") throw new TypeError("encode");
    if (value === "coded") throw new RpcError("out_of_range", "encode");
    return (value === "no bytes" ? "text" : new Uint8Array(0)) as Uint8Array;
  },
  decode: () => {
    throw new TypeError("decode");
  },
};
/** What many libraries give for bytes: a view of what they read. */
class Blob {
  constructor(readonly bytes: Uint8Array) {}
}
const viewing: BodyEncoding = {
  claims: (value) => value instanceof Blob,
  encode: (value) => (value as Blob).bytes,
  decode: (bytes) => new Blob(bytes.subarray(1)),
};
registerBody("test-celsius", celsius);
registerBody("test-viewing", viewing);
registerBody("test-all", claimsAll);
registerBody("test-failing", failing);

describe("a user's body encoding", () => {
  test("takes the values that it claims, in the order of the Option", () => {
    const ends = new Ends(binaryCodecType, {}, ["test-celsius", "test-all"]);
    expect(ends.request(new Celsius(21))).toMatchObject({
      args: new Celsius(21),
    });
    expect(ends.response(new Celsius(22))).toMatchObject({
      reply: new Celsius(22),
    });
    expect(ends.request({ a: 1 })).toMatchObject({ args: "claimed" });
    expect(ends.request(undefined)).toMatchObject({ args: undefined });
  });

  test("is numbered from 16", () => {
    const ends = new Ends(binaryCodecType, {}, ["test-celsius", "test-all"]);
    ends.dial.writeRequest(ends.out, headOf(), new Celsius(1));
    expect(ends.out.pending()[2]).toBe(16);
    ends.out.clear();
    ends.dial.writeRequest(ends.out, headOf(), 1);
    expect(ends.out.pending()[2]).toBe(17);
  });

  test("can be named, and json goes past it", () => {
    const ends = new Ends(binaryCodecType, {}, ["test-celsius", "test-all"]);
    expect(ends.request({ degrees: 5 }, {}, "test-celsius")).toMatchObject({
      args: new Celsius(5),
    });
    expect(ends.request([1], {}, "json")).toMatchObject({ args: [1] });
  });

  test("only where the Option agreed on it", () => {
    const ends = new Ends(binaryCodecType);
    expect(ends.request(new Celsius(5))).toMatchObject({
      args: { degrees: 5 },
    });
    expect(codeThrownBy(() => ends.request(1, {}, "test-celsius"))).toBe(
      "unimplemented",
    );
  });

  test.each([
    ["claims", "invalid_argument"],
    ["encode", "invalid_argument"],
    ["no bytes", "invalid_argument"],
    ["coded", "out_of_range"],
  ])("that fails in %p fails the call with %p", (value, code) => {
    const ends = new Ends(binaryCodecType, {}, ["test-failing"]);
    expect(codeThrownBy(() => ends.request(value))).toBe(code);
    expect(ends.out.length).toBe(0);
    expect(ends.request([1])).toMatchObject({ args: [1] });
  });

  test("may keep the bytes that it decodes, whose chunk is freed", () => {
    const ends = new Ends(binaryCodecType, {}, ["test-viewing"]);
    const bytes = new Uint8Array(40_000).fill(7);
    for (const seq of [1, 2]) {
      ends.dial.writeRequest(ends.out, headOf({ seq }), new Blob(bytes));
    }
    const chunk = Buffer.allocUnsafeSlow(ends.out.length);
    chunk.set(ends.takeOut());
    giveChunk(chunk);
    ends.accept.push(chunk);
    while (ends.accept.read(ends.recorder));
    expect(chunk.length).toBe(0);
    const told = ends.recorder.take();
    expect(told).toHaveLength(2);
    for (const each of told) {
      expect(each).toMatchObject({ args: new Blob(bytes.subarray(1)) });
    }
  });

  test("that fails to decode fails that call only", () => {
    const ends = new Ends(binaryCodecType, {}, ["test-failing"]);
    expect(ends.request("decode")).toMatchObject({
      kind: "badRequest",
      code: "invalid_argument",
    });
    expect(ends.response("decode")).toMatchObject({
      kind: "error",
      code: "internal",
    });
    expect(ends.request([1])).toMatchObject({ args: [1] });
  });

  test("that nobody registered refuses the connection", () => {
    const create = (bodies: string[]) =>
      codeThrownBy(() =>
        createCodec(binaryCodecType, contextOf("accept", {}, bodies)),
      );
    expect(create(["test-nobody"])).toBe("unimplemented");
    expect(create(["json"])).toBe("unimplemented");
    const many = (count: number) =>
      Array.from({ length: count }, () => "test-celsius");
    expect(create(many(240))).toBeUndefined();
    expect(create(many(241))).toBe("unimplemented");
  });

  test("is registered once, and not as json", () => {
    for (const name of ["test-celsius", "json"]) {
      expect(codeThrownBy(() => registerBody(name, celsius))).toBe(
        "already_exists",
      );
    }
  });
});
