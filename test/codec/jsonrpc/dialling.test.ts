import { beforeEach, describe, expect, test } from "bun:test";
import { codes } from "../../../src/errors.ts";
import { codeThrownBy } from "../code-thrown-by.ts";
import { headOf, type Told } from "../recorder.ts";
import { Dialling, textOf } from "./two-codecs.ts";

let dialling: Dialling;
beforeEach(() => {
  dialling = new Dialling();
});

function request(args: unknown, head = {}, form?: string): string {
  return textOf((out) =>
    dialling.codec.writeRequest(out, headOf(head), args, form),
  );
}

describe("a request", () => {
  test("is what Go writes", () => {
    expect(request({ Num1: 1, Num2: 2 }, { serviceMethod: "Foo.Sum" })).toBe(
      `{"method":"Foo.Sum","params":[{"Num1":1,"Num2":2}],"id":1}\n`,
    );
    expect(request("\n", { seq: 2 ** 53 - 1, serviceMethod: `a"b.c` })).toBe(
      `{"method":"a\\"b.c","params":["\\n"],"id":9007199254740991}\n`,
    );
  });

  test("without an argument has null for it", () => {
    expect(request(undefined)).toBe(
      `{"method":"Arith.sum","params":[null],"id":1}\n`,
    );
  });

  test("that wants no answer has the id null", () => {
    expect(request(1, { oneWay: true, seq: 5 })).toBe(
      `{"method":"Arith.sum","params":[1],"id":null}\n`,
    );
  });

  test("refuses what JSON would change, unless it is asked to", () => {
    for (const args of [
      1n,
      new Date(),
      new Map(),
      new Uint8Array(1),
      NaN,
      -0,
      [undefined],
    ]) {
      expect(codeThrownBy(() => request(args))).toBe("invalid_argument");
    }
    expect(request([NaN], {}, "json")).toBe(
      `{"method":"Arith.sum","params":[[null]],"id":1}\n`,
    );
    expect(codeThrownBy(() => request(1n, {}, "json"))).toBe(
      "invalid_argument",
    );
    expect(codeThrownBy(() => request(1, {}, "msgpack"))).toBe("unimplemented");
  });

  test("meets the limits of a name and of a message", () => {
    dialling = new Dialling({ maxMessageBytes: 100 });
    expect(
      codeThrownBy(() => request(1, { serviceMethod: "x".repeat(1025) })),
    ).toBe("invalid_argument");
    expect(request(1, { serviceMethod: "x".repeat(1024) })).not.toBe("");
    expect(codeThrownBy(() => request("€".repeat(33)))).toBe(
      "resource_exhausted",
    );
    expect(codeThrownBy(() => request("x".repeat(99)))).toBe(
      "resource_exhausted",
    );
    expect(request("x".repeat(98))).not.toBe("");
  });
});

/** Answers, and what is told of them. */
const answers: [string, object[]][] = [
  [
    `{"id":1,"result":3,"error":null}`,
    [{ kind: "response", seq: 1, reply: 3 }],
  ],
  [
    `{"id":1,"result":{"__proto__":1},"error":null}`,
    [{ kind: "response", seq: 1 }],
  ],
  [
    `{"id":1,"result":null,"error":null}`,
    [{ kind: "response", seq: 1, reply: null }],
  ],
  [`{"id":1,"error":null}`, [{ kind: "response", seq: 1, reply: undefined }]],
  [`{"id":1,"result":false}`, [{ kind: "response", seq: 1, reply: false }]],
  [
    `{"jsonrpc":"2.0","id":1,"result":[1]}`,
    [{ kind: "response", seq: 1, reply: [1] }],
  ],
  [
    `{"id":9007199254740991,"result":1}`,
    [{ kind: "response", seq: 2 ** 53 - 1 }],
  ],
  // Go's
  [
    `{"id":1,"result":null,"error":"boom"}`,
    [{ kind: "error", seq: 1, code: "unknown" }],
  ],
  [
    `{"id":1,"result":null,"error":""}`,
    [{ kind: "error", seq: 1, code: "unknown" }],
  ],
  [
    `{"id":1,"result":null,"error":"rpc: can't find service Foo.Sum"}`,
    [{ kind: "error", seq: 1, code: "unimplemented" }],
  ],
  [
    `{"id":1,"result":null,"error":"rpc: service/method request ill-formed: Foo"}`,
    [{ kind: "error", seq: 1, code: "invalid_argument" }],
  ],
  [
    `{"id":1,"result":null,"error":"json: cannot unmarshal"}`,
    [{ kind: "error", seq: 1, code: "invalid_argument" }],
  ],
  // geerpc's, in 1.0
  [
    `{"id":1,"result":null,"error":"x","code":"aborted"}`,
    [{ kind: "error", seq: 1, code: "aborted" }],
  ],
  [
    `{"id":1,"result":null,"error":"x","code":"no such"}`,
    [{ kind: "error", seq: 1, code: "unknown" }],
  ],
  [
    `{"id":1,"result":7,"error":null,"code":"aborted"}`,
    [{ kind: "response", seq: 1, reply: 7 }],
  ],
  // objects
  [
    `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"x","data":{"code":"not_found","details":[1]}}}`,
    [
      {
        kind: "error",
        seq: 1,
        code: "not_found",
        error: { message: "x", details: [1] },
      },
    ],
  ],
  [
    `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"x"}}`,
    [{ kind: "error", seq: 1, code: "unimplemented" }],
  ],
  [
    `{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"x"}}`,
    [{ kind: "error", seq: 1, code: "invalid_argument" }],
  ],
  [
    `{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"x"}}`,
    [{ kind: "error", seq: 1, code: "invalid_argument" }],
  ],
  [
    `{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"x"}}`,
    [{ kind: "error", seq: 1, code: "internal" }],
  ],
  [
    `{"jsonrpc":"2.0","id":1,"error":{"code":-32050,"message":"x","data":{"why":1}}}`,
    [
      {
        kind: "error",
        seq: 1,
        code: "unknown",
        error: { details: { why: 1 } },
      },
    ],
  ],
  [
    `{"id":1,"result":null,"error":{"code":"7"}}`,
    [{ kind: "error", seq: 1, code: "unknown" }],
  ],
  [
    `{"id":1,"result":null,"error":{"code":-32000,"message":[],"data":null}}`,
    [{ kind: "error", seq: 1, code: "unknown" }],
  ],
  [
    `{"id":1,"result":null,"error":7}`,
    [{ kind: "error", seq: 1, code: "unknown", error: { message: "7" } }],
  ],
  [
    `{"id":1,"result":null,"error":["a"]}`,
    [{ kind: "error", seq: 1, code: "unknown" }],
  ],
  [
    `{"id":1,"result":null,"error":false}`,
    [{ kind: "error", seq: 1, code: "unknown" }],
  ],
  // the connection
  [
    `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}`,
    [{ kind: "error", seq: 0, code: "invalid_argument" }],
  ],
  [
    `{"id":null,"result":null,"error":"x","code":"unavailable"}`,
    [{ kind: "error", seq: 0, code: "unavailable" }],
  ],
  [
    `{"id":null,"result":null,"error":"x"}`,
    [{ kind: "error", seq: 0, code: "unknown" }],
  ],
  [`{"error":"x"}`, [{ kind: "error", seq: 0, code: "unknown" }]],
  // an array of answers
  [
    `[{"id":1,"result":1},{"id":2,"result":null,"error":"x"}]`,
    [
      { seq: 1, reply: 1 },
      { seq: 2, code: "unknown" },
    ],
  ],
  [`[]`, []],
  // nobody's
  [`{"id":null,"result":3,"error":null}`, []],
  [`{"id":"1","result":3,"error":null}`, []],
  [`{"id":1.5,"result":3,"error":null}`, []],
  [`{"id":0,"result":3,"error":null}`, []],
  [`{"id":0,"result":null,"error":"x"}`, []],
  [`{"id":-1,"result":3,"error":null}`, []],
  [`{"id":9007199254740992,"result":3,"error":null}`, []],
  [`{"id":true,"result":3,"error":null}`, []],
  [`{"jsonrpc":"2.0","method":"tick","params":[1]}`, []],
  [`{"jsonrpc":"2.0","method":"ask","params":[1],"id":1}`, []],
];

describe("an answer", () => {
  test.each(answers)("%s", (text, told) => {
    for (const chunkBytes of [Infinity, 1]) {
      const last = `{"id":99,"result":"last","error":null}\n`;
      const found = dialling.read(text + last, chunkBytes);
      expect(found).toHaveLength(told.length + 1);
      expect(found.pop()).toMatchObject({ seq: 99, reply: "last" });
      expect(found).toMatchObject(told as Told[]);
    }
  });

  test.each([...codes])("%s comes through, in both forms", (code) => {
    const found = dialling.read(
      `{"id":1,"result":null,"error":"x","code":"${code}"}` +
        `{"jsonrpc":"2.0","id":2,"error":{"code":-32000,"message":"x","data":{"code":"${code}"}}}`,
    );
    expect(found).toMatchObject([
      { seq: 1, code },
      { seq: 2, code },
    ]);
  });

  test("of a notification is dropped, as Go gives one", () => {
    request(1, { oneWay: true });
    expect(dialling.read(`{"id":null,"result":3,"error":null}`)).toEqual([]);
    expect(dialling.read(`{"id":null,"result":null,"error":"boom"}`)).toEqual(
      [],
    );
    // What says its code is about the connection all the same.
    const last = `{"id":null,"result":null,"error":"bye","code":"unavailable"}`;
    expect(dialling.read(last)).toMatchObject([
      { seq: 0, code: "unavailable" },
    ]);
    const object = `{"id":null,"result":null,"error":{"code":-32700,"message":""}}`;
    expect(dialling.read(object)).toMatchObject([{ seq: 0 }]);
  });

  test("that cannot be decoded fails its call alone", () => {
    const deep = `${"[".repeat(65)}${"]".repeat(65)}`;
    for (const result of [deep, "1e400", `{"a":[-1e999]}`]) {
      expect(
        dialling.read(`{"id":1,"result":${result}}{"id":2,"result":1}`),
      ).toMatchObject([
        { kind: "error", seq: 1, code: "internal" },
        { kind: "response", seq: 2, reply: 1 },
      ]);
    }
    // Details that are no good leave the error as it is.
    const text = `{"id":1,"error":{"code":-32601,"message":"x","data":${deep}}}`;
    const [told] = dialling.read(text);
    expect(told).toMatchObject({ kind: "error", code: "unimplemented" });
    expect(told?.kind === "error" && told.error.details).toBeUndefined();
  });

  test("over the limit fails its call alone, if it is not far over", () => {
    dialling = new Dialling({ maxMessageBytes: 100 });
    const answer = (length: number) =>
      `{"id":1,"result":"${"x".repeat(length)}"}`;
    expect(dialling.read(answer(98))).toMatchObject([{ kind: "response" }]);
    expect(dialling.read(answer(300))).toMatchObject([
      { kind: "error", seq: 1, code: "resource_exhausted" },
    ]);
    expect(codeThrownBy(() => dialling.read(answer(50_000)))).toBe(
      "resource_exhausted",
    );
  });

  test.each([
    "7",
    "}",
    `"a"`,
    "x",
    `{"id":1}`,
    "{}",
    "[1]",
    "[[]]",
    `{"id":1,"result":tru}`,
  ])("%p is none: the framing is broken", (text) => {
    expect(codeThrownBy(() => dialling.read(text))).toBe("internal");
  });

  test("a long error text is cut", () => {
    for (const error of [
      `"${"x".repeat(9000)}"`,
      `{"message":"${"x".repeat(9000)}"}`,
    ]) {
      const [told] = dialling.read(`{"id":1,"error":${error}}`);
      if (told?.kind !== "error") throw new Error();
      expect(told.error.message.length).toBe(4096);
    }
  });
});

test("what JSON-RPC has not, and what only the other end does", () => {
  const { codec } = dialling;
  expect(codec.features).toEqual({
    settings: false,
    cancel: false,
    oneWay: true,
  });
  const { writeSettings, writeResponse, writeError, writeCancel, writePiece } =
    codec;
  for (const write of [
    writeSettings,
    writeResponse,
    writeError,
    writeCancel,
    writePiece,
  ]) {
    expect(codeThrownBy(() => (write as () => void).call(codec))).toBe(
      "unimplemented",
    );
  }
});
