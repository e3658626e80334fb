import { expect, test } from "bun:test";
import { RpcError } from "../../../src/errors.ts";
import { goMissing, runGo } from "../gob/go-program.ts";
import { headOf, type Told } from "../recorder.ts";
import { Accepting, Dialling, textOf } from "./two-codecs.ts";

const isSkipped = goMissing !== undefined && process.env["CI"] !== "true";
if (isSkipped) console.error(`skipped: JSON-RPC with Go: ${goMissing}`);

/** Runs Go's client or server on these bytes; see interop/go/jsonrpc/main.go. */
async function go(mode: string, text = ""): Promise<string> {
  const output = await runGo("jsonrpc", [
    mode,
    Buffer.from(text).toString("hex"),
  ]);
  return output.trimEnd();
}

function fromHex(hex: string): string {
  return Buffer.from(hex, "hex").toString();
}

/** The handlers of interop/go/jsonrpc/main.go, in TypeScript. */
function serve(end: Accepting, told: Told): string {
  if (told.kind !== "request") throw new Error(`told of ${told.kind}`);
  const { seq, serviceMethod } = told.head;
  const args = told.args as { Num1: number; Num2: number };
  try {
    switch (serviceMethod) {
      case "Foo.Sum":
        return end.reply(seq, args.Num1 + args.Num2);
      case "Foo.Echo":
        return end.reply(seq, told.args);
      case "Foo.Fail":
        throw new RpcError("unknown", told.args as string);
      case "Foo.Nothing":
        return end.reply(seq, undefined);
      case "Foo.Null":
        return end.reply(seq, null);
      default:
        throw new RpcError("unimplemented", "there is no such service");
    }
  } catch (thrown) {
    return end.fail(seq, RpcError.from(thrown));
  }
}

test.skipIf(isSkipped)(
  "Go's client calls, and understands what it is answered in any order",
  async () => {
    const requests = fromHex(await go("requests"));
    for (const chunkBytes of [Infinity, 1]) {
      const end = new Accepting();
      const told = end.read(requests, chunkBytes);
      expect(told).toHaveLength(7);
      expect(told[1]).toMatchObject({
        head: { serviceMethod: "Foo.Echo", oneWay: false },
        args: {
          Text: `<é€😀> "\\\n\u2028`,
          Bytes: "AAH/",
          Big: 2 ** 53,
          Nested: { Text: "inner", List: null },
        },
      });
      // The last answer first: the calls that fail must leave the others be.
      const answers = told.map((one) => serve(end, one)).reverse();
      const outcomes = JSON.parse(await go("answers", answers.join("")));
      const echoed = told[1]?.kind === "request" ? told[1].args : undefined;
      const failed = { Reply: null, Error: expect.stringMatching(/./) };
      expect(outcomes).toEqual([
        { Reply: 3, Error: "" },
        { Reply: echoed, Error: "" },
        { Reply: null, Error: "100% broken: é" },
        { Reply: {}, Error: "" },
        failed,
        failed,
        { Reply: -1, Error: "" },
      ]);
    }
  },
  60_000,
);

test.skipIf(isSkipped)(
  "Go's server understands what is called, and is understood",
  async () => {
    const end = new Dialling();
    const echoed = { Text: "<é€😀>\n", Bytes: "AAH/", List: ["a"], Yes: true };
    const calls: [string, unknown][] = [
      ["Foo.Sum", { Num1: 1, Num2: 2 }],
      ["Foo.Echo", echoed],
      ["Foo.Fail", "boom"],
      ["Foo.Nothing", undefined],
      ["Foo.Null", {}],
      ["No.Such", 1],
      ["Foo.None", 1],
      ["Foo", 1],
      ["Foo.Sum", "no object"],
      ["Foo.Sum", undefined],
    ];
    const requests = textOf((out) => {
      calls.forEach(([serviceMethod, args], at) => {
        const head = headOf({ seq: at + 1, serviceMethod });
        end.codec.writeRequest(out, head, args);
      });
      for (const serviceMethod of ["Foo.Sum", "Foo.Fail", "No.Such"]) {
        const head = headOf({ seq: 99, serviceMethod, oneWay: true });
        end.codec.writeRequest(out, head, {});
      }
    });
    const answers = fromHex(await go("server", requests));
    // Go answers notifications, too.
    expect(answers.split(`{"id":null,`)).toHaveLength(4);
    for (const chunkBytes of [Infinity, 1]) {
      const told = end.read(answers, chunkBytes);
      const bySeq = told.toSorted(
        (a, b) => (a as { seq: number }).seq - (b as { seq: number }).seq,
      );
      expect(bySeq).toHaveLength(calls.length);
      expect(bySeq).toMatchObject([
        { kind: "response", seq: 1, reply: 3 },
        { kind: "response", seq: 2, reply: echoed },
        { kind: "error", seq: 3, code: "unknown", error: { message: "boom" } },
        { kind: "response", seq: 4, reply: {} },
        { kind: "response", seq: 5, reply: null },
        { kind: "error", seq: 6, code: "unimplemented" },
        { kind: "error", seq: 7, code: "unimplemented" },
        { kind: "error", seq: 8, code: "invalid_argument" },
        { kind: "error", seq: 9, code: "invalid_argument" },
        { kind: "response", seq: 10, reply: 0 },
      ]);
    }
  },
  60_000,
);
