import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import {
  encodeRefusal,
  parseRefusal,
  RefusalReader,
} from "../../src/wire/refusal.ts";

const refusal = new RpcError("unimplemented", `no "codec" here\n}`);
const bytes = encodeRefusal(refusal);

describe("a refusal's line", () => {
  test("is one line of JSON", () => {
    const text = Buffer.from(bytes).toString();
    expect(text.indexOf("\n")).toBe(text.length - 1);
    expect(JSON.parse(text)).toEqual({
      Error: refusal.message,
      Code: "unimplemented",
    });
  });

  test("stays within what is read, whatever the message", () => {
    for (const unit of ["x", "€", "😀", "\0", "\n", "\ud800"]) {
      const line = encodeRefusal(new RpcError("internal", unit.repeat(9999)));
      const reader = new RefusalReader();
      expect(reader.push(line)).toBe(true);
      expect(reader.read()?.code).toBe("internal");
      expect(line.length).toBeLessThanOrEqual(4096);
    }
  });

  test.each([
    [`{"Error":"a","Code":"not_found"}`, "not_found"],
    [`{"Error":"a","Code":"no such code"}`, "unknown"],
    [`{"Error":"a"}`, "unknown"],
  ])("%s is %s, and nothing was started", (line, code) => {
    const error = parseRefusal(line);
    expect(error?.code as string).toBe(code);
    expect(error?.sent).toBe(false);
  });

  test.each(["", "{", "null", "7", "[]", "{}", `{"Error":7}`])(
    "%j is none",
    (line) => expect(parseRefusal(line)).toBeUndefined(),
  );
});

describe("RefusalReader", () => {
  test("leaves frames alone, also later ones that begin with a brace", () => {
    const reader = new RefusalReader();
    expect(reader.push(new Uint8Array(0))).toBe(false);
    expect(reader.push(Uint8Array.of(1))).toBe(false);
    expect(reader.push(bytes)).toBe(false);
    expect(reader.isReading).toBe(false);
    expect(reader.read()).toBeUndefined();
  });

  test("reads a line that is cut at any offset, once", () => {
    for (let cut = 0; cut <= bytes.length; cut++) {
      const reader = new RefusalReader();
      const errors: unknown[] = [];
      for (const chunk of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
        const isEmpty = chunk.length === 0;
        expect(reader.push(chunk)).toBe(!isEmpty || cut > 0);
        errors.push(reader.read()?.code, reader.read()?.code);
      }
      expect(errors.filter((code) => code !== undefined)).toEqual([
        "unimplemented",
      ]);
      expect(reader.isReading).toBe(true);
    }
  });

  test("tells nothing of a second line", () => {
    const reader = new RefusalReader();
    reader.push(bytes);
    expect(reader.read()?.code).toBe("unimplemented");
    reader.push(bytes);
    expect(reader.read()).toBeUndefined();
  });

  test.each([`{"a":1}\n`, "{".repeat(5000), "{\n"])(
    "gives up on what is no refusal",
    (text) => {
      const reader = new RefusalReader();
      reader.push(Buffer.from(text));
      expect(reader.read()).toMatchObject({ code: "unavailable", sent: false });
      expect(reader.read()).toBeUndefined();
    },
  );
});
