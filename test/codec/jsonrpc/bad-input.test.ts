import { beforeEach, describe, expect, test } from "bun:test";
import { RpcError } from "../../../src/errors.ts";
import { Accepting, Dialling } from "./two-codecs.ts";

let accepting: Accepting;
beforeEach(() => {
  accepting = new Accepting();
});

/** What the framing breaks with. */
function thrownBy(run: () => unknown): RpcError {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof RpcError) return thrown;
    throw thrown;
  }
  throw new Error("nothing was thrown");
}

const next = `{"method":"A.b","params":["next"],"id":"next"}`;
const nextAnswer = `{"id":"next","result":"next","error":null}\n`;
const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;

describe("broken framing", () => {
  test.each([
    "7",
    `"text"`,
    "null",
    "}",
    "garbage",
    "GET / HTTP/1.1\r\n",
    `{"method":}`,
    `{"method":"A.b","params":[tru],"id":1}`,
    `{"method":"A.b","params":[1],"id":1]`,
    `[1,]`,
    `{a:1}`,
    `{"a":"\n"}`,
    `{"a":01}`,
  ])("%p is a parse error, and the end", (text) => {
    for (const chunkBytes of [Infinity, 1]) {
      accepting = new Accepting();
      const error = thrownBy(() => accepting.read(text, chunkBytes));
      expect(error.code).toBe("internal");
      expect(JSON.parse(accepting.fail(0, error))).toMatchObject({
        jsonrpc: "2.0",
        id: null,
        error: { code: -32700, data: { code: "internal" } },
      });
    }
  });

  test("a client of 1.0 is told in 1.0", () => {
    accepting.serve(next);
    const error = thrownBy(() => accepting.read("garbage"));
    expect(JSON.parse(accepting.fail(0, error))).toMatchObject({
      id: null,
      result: null,
      error: expect.any(String),
    });
  });

  test("what stood before it was read", () => {
    expect(thrownBy(() => accepting.read(`${next}!`)).code).toBe("internal");
    expect(accepting.reply(1, "next")).toBe(nextAnswer);
  });

  test.each([
    `{"a":"${"x".repeat(2 << 20)}`,
    `[${"1,".repeat(1 << 20)}`,
    "[".repeat(1 << 20),
    `{"a":`.repeat(1 << 19),
    `{"${"x".repeat(2 << 20)}":1}`,
  ])("a message that does not end is over a limit", (text) => {
    accepting = new Accepting({ maxMessageBytes: 1 << 20 });
    const error = thrownBy(() => accepting.read(text, 65_536));
    expect(error.code).toBe("resource_exhausted");
    expect(JSON.parse(accepting.fail(0, error))).toMatchObject({
      error: { code: -32000, data: { code: "resource_exhausted" } },
    });
  });
});

/** Requests that fail alone, the id of their answer and its number. */
const failing: [string, unknown, number][] = [
  [`{"jsonrpc":"2.0","method":"A.b","params":[1,2],"id":1}`, 1, -32602],
  [`{"jsonrpc":"2.0","method":"A.b","params":7,"id":1}`, 1, -32602],
  [`{"jsonrpc":"2.0","method":"A.b","params":"a","id":1}`, 1, -32602],
  [
    `{"jsonrpc":"2.0","method":"A.b","params":[${nested(65)}],"id":1}`,
    1,
    -32602,
  ],
  [
    `{"jsonrpc":"2.0","method":"A.b","params":{"a":${nested(64)}},"id":1}`,
    1,
    -32602,
  ],
  [
    `{"jsonrpc":"2.0","method":"A.b","params":[${nested(1000)}],"id":1.50}`,
    1.5,
    -32602,
  ],
  [`{"jsonrpc":"2.0","method":"A.b","params":[1e400],"id":1}`, 1, -32602],
  [
    `{"jsonrpc":"2.0","method":"A.b","params":{"a":[-1e999]},"id":1}`,
    1,
    -32602,
  ],
  [
    `{"jsonrpc":"2.0","method":"${"x".repeat(1025)}","params":[1],"id":1}`,
    1,
    -32602,
  ],
  [`{"jsonrpc":"2.0","method":7,"params":[1],"id":1}`, 1, -32600],
  [`{"jsonrpc":"2.0","method":1,"params":"bar"}`, null, -32600],
  [`{"jsonrpc":"2.0","id":1}`, 1, -32600],
  [`{"jsonrpc":"3.0","method":"A.b","id":1}`, 1, -32600],
  [`{"jsonrpc":2.0,"method":"A.b","id":1}`, 1, -32600],
  [`{"jsonrpc":"2.0","method":"A.b","id":{}}`, null, -32600],
  [`{"jsonrpc":"2.0","method":"A.b","id":[1]}`, null, -32600],
  [`{"jsonrpc":"2.0","method":"A.b","id":true}`, null, -32600],
  [`{"jsonrpc":"2.0","method":"A.b","id":"${"x".repeat(1023)}"}`, null, -32600],
  [
    `{"jsonrpc":"2.0","method":"A.b","id":"${"x".repeat(1 << 20)}"}`,
    null,
    -32600,
  ],
  [
    `{"jsonrpc":"2.0","method":"A.b","id":"${"\\u0000".repeat(200)}"}`,
    null,
    -32600,
  ],
  [`{"jsonrpc":"2.0","method":"A.b","id":${"1".repeat(1025)}}`, null, -32600],
  [`{}`, null, -32600],
  [`{"__proto__":{"method":"A.b","id":1}}`, null, -32600],
  [`{"constructor":1,"toString":2}`, null, -32600],
];

describe("a bad request fails alone", () => {
  test.each(failing)("%s", (text, id, number) => {
    for (const chunkBytes of [Infinity, 1]) {
      const answers = accepting.serve(text + next, chunkBytes).split("\n");
      expect(JSON.parse(answers[0]!)).toMatchObject({
        jsonrpc: "2.0",
        id,
        error: { code: number, data: { code: "invalid_argument" } },
      });
      expect(`${answers[1]}\n`).toBe(nextAnswer);
    }
  });

  test("also one of 1.0, in a string", () => {
    for (const text of [
      `{"method":"A.b","params":[1,2],"id":9}`,
      `{"method":7,"params":[1],"id":9}`,
      `{"jsonrpc":"1.1","method":"A.b","params":5,"id":9}`,
      `{"method":"A.b","params":[1e400],"id":9}`,
    ]) {
      expect(JSON.parse(accepting.serve(text))).toEqual({
        id: 9,
        result: null,
        error: "no",
        code: "invalid_argument",
      });
    }
  });

  test("a depth of 64 is no trouble, nor is an id of the longest", () => {
    const id = "x".repeat(1022);
    const text = `{"method":"A.b","params":[${nested(64)}],"id":"${id}"}`;
    expect(accepting.serve(text)).toBe(
      `{"id":"${id}","result":${nested(64)},"error":null}\n`,
    );
  });

  test("an argument over the limit, also where name and id are long", () => {
    accepting = new Accepting({ maxMessageBytes: 1000 });
    const ask = (length: number, version = "") =>
      `{${version}"method":"${"m".repeat(1024)}","params":["${"x".repeat(length)}"],"id":"${"i".repeat(1000)}"}`;
    expect(accepting.read(ask(998))).toMatchObject([{ kind: "request" }]);
    expect(accepting.read(ask(1200))).toMatchObject([
      { kind: "badRequest", code: "resource_exhausted" },
    ]);
    // What else is wrong with it says more.
    const wrong = `{"jsonrpc":"2.0","method":7,"x":"${"x".repeat(1500)}"}`;
    expect(accepting.read(wrong)).toMatchObject([
      { kind: "badRequest", code: "invalid_argument" },
    ]);
    expect(accepting.serve(next)).toBe(nextAnswer);
  });
});

test("keys named like what objects inherit are data", () => {
  const text = `{"method":"A.b","params":[{"__proto__":{"admin":true},"constructor":1}],"id":1}`;
  const [told] = accepting.read(text);
  if (told?.kind !== "request") throw new Error();
  const args = told.args as Record<string, unknown>;
  expect(Object.getPrototypeOf(args)).toBe(Object.prototype);
  expect(args["admin"]).toBeUndefined();
  expect(Object.keys(args)).toEqual(["__proto__", "constructor"]);
  expect(({} as Record<string, unknown>)["admin"]).toBeUndefined();
});

test("every truncation and every flipped bit is an error or a value", () => {
  const texts = [
    `{"method":"A.b","params":[{"a":"é"}],"id":12.50}[{"jsonrpc":"2.0","method":"A.b","id":"x"}]`,
    `{"id":1,"result":{"a":"é"},"error":null}{"id":2,"result":null,"error":"no"}`,
  ];
  for (const text of texts) {
    const bytes = Buffer.from(text);
    const feed = (damaged: Uint8Array) => {
      for (const end of [new Accepting(), new Dialling()]) {
        try {
          end.read(damaged);
        } catch (thrown) {
          if (!(thrown instanceof RpcError)) throw thrown;
        }
      }
    };
    for (let length = 0; length < bytes.length; length++) {
      feed(bytes.subarray(0, length));
    }
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = Uint8Array.from(bytes);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      feed(damaged);
    }
  }
});
