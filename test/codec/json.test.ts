import { beforeEach, describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import { encodeRefusal } from "../../src/wire/refusal.ts";
import { codeThrownBy } from "./code-thrown-by.ts";
import { Ends, headOf, jsonCodecType } from "./recorder.ts";

let ends: Ends;
beforeEach(() => {
  ends = new Ends(jsonCodecType);
});

function written(write: () => void): string {
  write();
  const text = Buffer.from(ends.out.pending()).toString();
  ends.out.clear();
  return text;
}

describe("application/json", () => {
  test("is two lines a message, as Go's encoding/json would have them", () => {
    const { dial, accept, out } = ends;
    expect(written(() => dial.writeRequest(out, headOf(), { a: "\n" }))).toBe(
      `{"ServiceMethod":"Arith.sum","Seq":1,"Error":""}\n{"a":"\\n"}\n`,
    );
    expect(written(() => accept.writeResponse(out, 2, "A.b", 3))).toBe(
      `{"ServiceMethod":"A.b","Seq":2,"Error":""}\n3\n`,
    );
    const error = new RpcError("not_found", "no user", { details: 1 });
    expect(written(() => accept.writeError(out, 2, "A.b", error))).toBe(
      `{"ServiceMethod":"A.b","Seq":2,"Error":"no user","Code":"not_found"}\n{}\n`,
    );
  });

  test("an error without a message still is one", () => {
    const told = ends.error(new RpcError("aborted", ""));
    expect(told).toMatchObject({ kind: "error", code: "aborted" });
  });

  test("undefined alone goes as null; inside, it is refused", () => {
    expect(ends.request(undefined)).toMatchObject({ args: null });
    expect(ends.response(undefined)).toMatchObject({ reply: null });
    expect(ends.request(undefined, {}, "json")).toMatchObject({ args: null });
    for (const value of [[undefined], { a: undefined }, NaN, new Date(), 1n]) {
      expect(codeThrownBy(() => ends.request(value))).toBe("invalid_argument");
      expect(codeThrownBy(() => ends.response(value))).toBe("invalid_argument");
    }
  });

  test('"json" is taken at its word, but for what JSON has nothing for', () => {
    expect(ends.request([NaN, undefined], {}, "json")).toMatchObject({
      args: [null, null],
    });
    const cycle: unknown[] = [];
    cycle.push(cycle);
    for (const value of [1n, () => 1, cycle]) {
      expect(codeThrownBy(() => ends.request(value, {}, "json"))).toBe(
        "invalid_argument",
      );
      expect(ends.out.length).toBe(0);
    }
    expect(codeThrownBy(() => ends.request(1, {}, "other"))).toBe(
      "unimplemented",
    );
  });

  test("an error of a server without codes is unknown", () => {
    ends.dialled(
      Buffer.from(`{"ServiceMethod":"A.b","Seq":4,"Error":"boom"}\n{}\n`),
    );
    expect(ends.recorder.takeOne()).toMatchObject({ seq: 4, code: "unknown" });
    ends.dialled(
      Buffer.from(`{"Seq":4,"Error":"boom","Code":"no such code"}\n{}\n`),
    );
    expect(ends.recorder.takeOne()).toMatchObject({ seq: 4, code: "unknown" });
  });

  test("a refusal without Seq has no body, and concerns the connection", () => {
    const refusal = new RpcError("unimplemented", "no such codec");
    ends.dialled(encodeRefusal(refusal));
    expect(ends.recorder.takeOne()).toMatchObject({
      kind: "error",
      seq: 0,
      code: "unimplemented",
    });
    expect(ends.response(1)).toMatchObject({ reply: 1 });
  });

  test("unknown fields, blank lines and CRLF are no trouble", () => {
    ends.accepted(
      Buffer.from(
        `\n \r\n{"ServiceMethod":"A.b","Seq":1,"Trace":{"a":1}}\r\n[1]\r\n\n`,
      ),
    );
    expect(ends.recorder.takeOne()).toMatchObject({
      kind: "request",
      head: { seq: 1, serviceMethod: "A.b" },
      args: [1],
    });
  });

  test("a name that is too long is not sent, and fails its request", () => {
    const name = "x".repeat(1025);
    const request = () => ends.request(1, { serviceMethod: name });
    expect(codeThrownBy(request)).toBe("invalid_argument");
    expect(ends.out.length).toBe(0);
    ends.accepted(Buffer.from(`{"ServiceMethod":"${name}","Seq":9}\n1\n`));
    const told = ends.recorder.takeOne();
    expect(told).toMatchObject({
      kind: "badRequest",
      head: { seq: 9 },
      code: "invalid_argument",
    });
    // Its answer repeats the name, and has to go through.
    if (told.kind !== "badRequest") throw new Error();
    const error = new RpcError("invalid_argument", "no");
    expect(ends.error(error, 9, told.head.serviceMethod)).toMatchObject({
      seq: 9,
      code: "invalid_argument",
    });
    expect(ends.request(1)).toMatchObject({ args: 1 });
  });

  test("a body that is nested too deep fails its call", () => {
    const deep = `${"[".repeat(65)}${"]".repeat(65)}`;
    ends.accepted(Buffer.from(`{"ServiceMethod":"A.b","Seq":1}\n${deep}\n`));
    expect(ends.recorder.takeOne()).toMatchObject({
      kind: "badRequest",
      code: "invalid_argument",
    });
  });
});
