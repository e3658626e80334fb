import { beforeEach, describe, expect, test } from "bun:test";
import { RpcError } from "../../../src/errors.ts";
import { codeThrownBy } from "../code-thrown-by.ts";
import { Accepting } from "./two-codecs.ts";

let accepting: Accepting;
beforeEach(() => {
  accepting = new Accepting();
});

const request = (id: unknown, more = "") =>
  `{"jsonrpc":"2.0","method":"A.b","params":[${JSON.stringify(id)}],"id":${JSON.stringify(id)}${more}}`;
const reply = (id: unknown) =>
  `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${JSON.stringify(id)}}`;
const notification = `{"jsonrpc":"2.0","method":"A.b","params":[0]}`;
const invalid = {
  jsonrpc: "2.0",
  id: null,
  error: {
    code: -32600,
    message: "no",
    data: { code: "invalid_argument" },
  },
};

describe("a batch", () => {
  test("gets one array, once all are answered, in any order", () => {
    for (const chunkBytes of [Infinity, 1]) {
      const told = accepting.read(
        `[${request(1)}, ${notification},${request("b")},${request(null)}]`,
        chunkBytes,
      );
      expect(told).toMatchObject([
        { kind: "request", head: { oneWay: false }, args: 1 },
        { kind: "request", head: { oneWay: true }, args: 0 },
        { kind: "request", head: { oneWay: false }, args: "b" },
        { kind: "request", head: { oneWay: false }, args: null },
      ]);
      const [one, , two, three] = told as { head: { seq: number } }[];
      expect(accepting.reply(two!.head.seq, "b")).toBe("");
      expect(accepting.reply(three!.head.seq, null)).toBe("");
      expect(accepting.reply(one!.head.seq, 1)).toBe(
        `[${reply("b")},${reply(null)},${reply(1)}]\n`,
      );
    }
  });

  test("does not hold up what comes behind it", () => {
    const told = accepting.read(`[${request(1)},${request(2)}]${request(3)}`);
    const [one, two, three] = told.map((each) => (each as any).head.seq);
    expect(accepting.reply(one, 1)).toBe("");
    expect(accepting.reply(three, 3)).toBe(`${reply(3)}\n`);
    expect(accepting.reply(two, 2)).toBe(`[${reply(1)},${reply(2)}]\n`);
  });

  test("of one is answered as an array, too", () => {
    expect(accepting.serve(`[${request(1)}]`)).toBe(`[${reply(1)}]\n`);
  });

  test("of notifications is not answered", () => {
    expect(accepting.serve(`[${notification},${notification}]`)).toBe("");
    expect(accepting.serve(request(1))).toBe(`${reply(1)}\n`);
  });

  test("that is empty is one Invalid Request, and no array", () => {
    expect(JSON.parse(accepting.serve("[]"))).toEqual(invalid);
    expect(JSON.parse(accepting.serve("[ ]"))).toEqual(invalid);
  });

  test("of other things is an array of Invalid Requests", () => {
    expect(JSON.parse(accepting.serve("[1]"))).toEqual([invalid]);
    expect(JSON.parse(accepting.serve(`[1,"a",null,[],[{}]]`))).toEqual(
      [1, 2, 3, 4, 5].map(() => invalid),
    );
  });

  test("each is answered for itself, in its version: the specification's example", () => {
    const answers = JSON.parse(
      accepting.serve(
        `[${request(1)},${notification},{"foo":"boo"},` +
          `{"jsonrpc":"2.0","method":"A.b","params":[1,2],"id":"5"},` +
          `{"method":"A.b","params":[6],"id":6}]`,
      ),
    );
    expect(answers).toEqual([
      JSON.parse(reply(1)),
      invalid,
      {
        ...invalid,
        id: "5",
        error: { ...invalid.error, code: -32602 },
      },
      { id: 6, result: 6, error: null },
    ]);
  });

  test("ids that a double does not hold are repeated", () => {
    expect(
      accepting.serve(
        `[{"method":"A.b","params":[{"id":1.50}],"id":12345678901234567890},` +
          `{"method":"A.b","params":[0],"id":1}]`,
      ),
    ).toBe(
      `[{"id":12345678901234567890,"result":{"id":1.5},"error":null},{"id":1,"result":0,"error":null}]\n`,
    );
  });

  test("has a number of requests, and is refused as one beyond it", () => {
    accepting = new Accepting({ maxRunningHandlers: 3 });
    const batch = (count: number) =>
      `[${Array.from({ length: count }, (_, at) => request(at)).join(",")}]`;
    expect(JSON.parse(accepting.serve(batch(3)))).toHaveLength(3);
    expect(JSON.parse(accepting.serve(batch(4)))).toMatchObject({
      id: null,
      error: { code: -32000, data: { code: "resource_exhausted" } },
    });
    expect(accepting.serve(request(1))).toBe(`${reply(1)}\n`);
  });

  test("keeps no more than a message of answers, over all batches", () => {
    accepting = new Accepting({ maxMessageBytes: 1000 });
    const seqs = () =>
      accepting
        .read(`[${request(1)},${request(2)},${request(3)}]`)
        .map((each) => (each as any).head.seq as number);
    const big = "x".repeat(500);
    const one = seqs();
    const two = seqs();
    expect(accepting.reply(one[0]!, big)).toBe("");
    expect(codeThrownBy(() => accepting.reply(two[0]!, big))).toBe(
      "resource_exhausted",
    );
    const error = new RpcError("resource_exhausted", big);
    expect(accepting.fail(two[0]!, error)).toBe("");
    const small = "x".repeat(120);
    expect(accepting.reply(two[1]!, small)).toBe("");
    // There is no room for a text any more: only the code is sent.
    const [bare] = JSON.parse(accepting.fail(two[2]!, error)).slice(2);
    expect(bare.error).toEqual({
      code: -32000,
      message: "",
      data: { code: "resource_exhausted" },
    });
    // What was sent makes room.
    expect(accepting.reply(one[1]!, small)).toBe("");
    expect(JSON.parse(accepting.reply(one[2]!, 1))).toHaveLength(3);
    const three = seqs();
    expect(accepting.reply(three[0]!, "x".repeat(900))).toBe("");
  });

  test("is refused while there is no room for any answer", () => {
    accepting = new Accepting({ maxMessageBytes: 100 });
    const open = accepting.read(`[${request(1)},${request(2)},${request(3)}]`);
    const [first, second, third] = open.map((each) => (each as any).head.seq);
    const error = new RpcError("aborted", "");
    expect(accepting.fail(first, error) + accepting.fail(second, error)).toBe(
      "",
    );
    expect(accepting.read(`[${request(4)}]`)).toMatchObject([
      { kind: "badRequest", code: "resource_exhausted" },
    ]);
    expect(accepting.serve(request(4))).toBe(`${reply(4)}\n`);
    expect(JSON.parse(accepting.fail(third, error))).toHaveLength(3);
    expect(accepting.serve(`[${request(4)}]`)).toBe(`[${reply(4)}]\n`);
  });
});
