import { beforeEach, describe, expect, test } from "bun:test";
import { codes, RpcError } from "../../../src/errors.ts";
import { codeThrownBy } from "../code-thrown-by.ts";
import type { Told } from "../recorder.ts";
import { Accepting } from "./two-codecs.ts";

let accepting: Accepting;
beforeEach(() => {
  accepting = new Accepting();
});

function requestOf(told: Told[]) {
  const [one] = told;
  if (told.length !== 1 || one?.kind !== "request") throw new Error();
  return one;
}

/** Requests, and the argument that they carry. */
const params: [string, unknown][] = [
  [
    `{"method":"Foo.Sum","params":[{"Num1":1,"Num2":2}],"id":0}`,
    { Num1: 1, Num2: 2 },
  ],
  [`{"method":"Foo.Sum","params":[[1,2]],"id":0}`, [1, 2]],
  [`{"method":"Foo.Sum","params":[null],"id":0}`, null],
  [`{"method":"Foo.Sum","params":[],"id":0}`, undefined],
  [`{"method":"Foo.Sum","params":{"a":[1]},"id":0}`, { a: [1] }],
  [`{"method":"Foo.Sum","params":null,"id":0}`, undefined],
  [`{"method":"Foo.Sum","id":0}`, undefined],
  [`{"jsonrpc":"1.0","method":"Foo.Sum","params":["é"],"id":0}`, "é"],
  [`{"jsonrpc":"2.0","method":"Foo.Sum","params":[7],"id":0}`, 7],
  [
    `{"jsonrpc":"2.0","method":"Foo.Sum","params":{"a":-0.5},"id":0}`,
    { a: -0.5 },
  ],
  [
    `{"id":0,"params":[1e300],"method":"Foo.Sum","jsonrpc":"2.0","more":1}`,
    1e300,
  ],
  [`{"jsonrpc":"2.0","method":"Foo.Sum","id":0}`, undefined],
];

describe("a request", () => {
  test.each(params)("%p", (text, args) => {
    for (const chunkBytes of [Infinity, 1]) {
      const told = requestOf(accepting.read(`${text}\n`, chunkBytes));
      expect(told.head.serviceMethod).toBe("Foo.Sum");
      expect(told.head.oneWay).toBe(false);
      expect(told.args).toEqual(args);
    }
  });

  test("every one has its own seq, whatever its id", () => {
    const text = `{"method":"A.b","params":[1],"id":5}`;
    const told = accepting.read(text + text);
    expect(told).toMatchObject([{ head: { seq: 1 } }, { head: { seq: 2 } }]);
    // Both are answered, in any order.
    expect(accepting.reply(2, "b")).toBe(
      `{"id":5,"result":"b","error":null}\n`,
    );
    expect(accepting.reply(1, "a")).toBe(
      `{"id":5,"result":"a","error":null}\n`,
    );
  });

  test.each([
    "0",
    "7",
    "-1",
    "9007199254740991",
    "12345678901234567890",
    "1.5",
    "1.50",
    "-0",
    "1e2",
    "1e400",
    `"a"`,
    `""`,
    `"é\\n\\""`,
    `"__proto__"`,
  ])("the id %s is repeated", (id) => {
    const first = accepting.serve(`{"method":"A.b","params":[7],"id":${id}}`);
    expect(first).toBe(
      `{"id":${id === "1e2" ? "100" : id},"result":7,"error":null}\n`,
    );
    const second = accepting.serve(
      `{"jsonrpc":"2.0","method":"A.b","params":[7],"id":${id},"x":{"id":2.50},"n":7}`,
    );
    expect(JSON.parse(second)).toEqual({
      jsonrpc: "2.0",
      id: JSON.parse(id) === Infinity ? Infinity : JSON.parse(id),
      result: 7,
    });
    if (/^1\.50|^123|e400/.test(id)) expect(second).toContain(`"id":${id},`);
  });

  test("an id of null is a notification in 1.0 and an id in 2.0", () => {
    const [first] = accepting.read(`{"method":"A.b","params":[1],"id":null}`);
    expect(first).toMatchObject({ kind: "request", head: { oneWay: true } });
    expect(
      accepting.serve(
        `{"jsonrpc":"2.0","method":"A.b","params":[1],"id":null}`,
      ),
    ).toBe(`{"jsonrpc":"2.0","id":null,"result":1}\n`);
  });

  test.each([
    `{"jsonrpc":"2.0","method":"A.b","params":[1]}`,
    `{"method":"A.b","params":[1]}`,
    `{"method":"A.b","params":[1],"id":null}`,
  ])("%p is a notification: nothing answers it", (text) => {
    const told = requestOf(accepting.read(text));
    expect(told).toMatchObject({ head: { oneWay: true }, args: 1 });
    expect(accepting.reply(told.head.seq, 1)).toBe("");
    expect(accepting.fail(told.head.seq, new RpcError("aborted", ""))).toBe("");
  });

  test("a notification with bad params is not answered either", () => {
    const text = `{"jsonrpc":"2.0","method":"A.b","params":[1,2]}`;
    expect(accepting.read(text)).toMatchObject([
      { kind: "badRequest", head: { oneWay: true }, code: "invalid_argument" },
    ]);
  });
});

describe("an answer", () => {
  const asked = {
    1: `{"method":"A.b","params":[1],"id":3}`,
    2: `{"jsonrpc":"2.0","method":"A.b","params":[1],"id":3}`,
  };
  const ask = (version: 1 | 2) =>
    requestOf(accepting.read(asked[version])).head.seq;

  test("is told once", () => {
    const seq = ask(1);
    expect(accepting.reply(seq, 1)).not.toBe("");
    expect(accepting.reply(seq, 1)).toBe("");
    expect(accepting.fail(seq, new RpcError("aborted", "late"))).toBe("");
    expect(accepting.reply(seq + 1, 1)).toBe("");
  });

  test("of a method that returns nothing is an empty object in 1.0, null in 2.0", () => {
    expect(accepting.reply(ask(1), undefined)).toBe(
      `{"id":3,"result":{},"error":null}\n`,
    );
    expect(accepting.reply(ask(2), undefined)).toBe(
      `{"jsonrpc":"2.0","id":3,"result":null}\n`,
    );
  });

  test("null is refused in 1.0, since Go ends the connection for it", () => {
    const seq = ask(1);
    expect(codeThrownBy(() => accepting.reply(seq, null))).toBe(
      "unimplemented",
    );
    expect(accepting.fail(seq, new RpcError("internal", "no"))).toBe(
      `{"id":3,"result":null,"error":"no","code":"internal"}\n`,
    );
    expect(accepting.reply(ask(2), null)).toBe(
      `{"jsonrpc":"2.0","id":3,"result":null}\n`,
    );
  });

  test("that JSON would change is refused, and the call can still fail", () => {
    for (const version of [1, 2] as const) {
      const seq = ask(version);
      for (const reply of [
        1n,
        new Date(),
        new Uint8Array(1),
        NaN,
        -0,
        { a: undefined },
      ]) {
        expect(codeThrownBy(() => accepting.reply(seq, reply))).toBe(
          "invalid_argument",
        );
      }
      expect(accepting.fail(seq, new RpcError("internal", "no"))).not.toBe("");
    }
  });

  test("over the limit is refused", () => {
    accepting = new Accepting({ maxMessageBytes: 100 });
    for (const version of [1, 2] as const) {
      const seq = ask(version);
      expect(codeThrownBy(() => accepting.reply(seq, "€".repeat(33)))).toBe(
        "resource_exhausted",
      );
      expect(codeThrownBy(() => accepting.reply(seq, "x".repeat(99)))).toBe(
        "resource_exhausted",
      );
      expect(
        JSON.parse(accepting.reply(seq, "x".repeat(98))).result.length,
      ).toBe(98);
    }
  });

  test("an error is a string in 1.0, never an empty one", () => {
    expect(accepting.fail(ask(1), new RpcError("unknown", "boom\n"))).toBe(
      `{"id":3,"result":null,"error":"boom\\n"}\n`,
    );
    expect(accepting.fail(ask(1), new RpcError("unknown", ""))).toBe(
      `{"id":3,"result":null,"error":"unknown"}\n`,
    );
    expect(
      accepting.fail(ask(1), new RpcError("not_found", "no", { details: 1 })),
    ).toBe(`{"id":3,"result":null,"error":"no","code":"not_found"}\n`);
    // The text alone would say something else.
    expect(accepting.fail(ask(1), new RpcError("unknown", "gob: x"))).toBe(
      `{"id":3,"result":null,"error":"gob: x","code":"unknown"}\n`,
    );
  });

  test("an error is an object in 2.0", () => {
    expect(
      accepting.fail(
        ask(2),
        new RpcError("not_found", "no", { details: { a: [1] } }),
      ),
    ).toBe(
      `{"jsonrpc":"2.0","id":3,"error":{"code":-32000,"message":"no","data":{"code":"not_found","details":{"a":[1]}}}}\n`,
    );
  });

  test.each([...codes])("code %s has its number", (code) => {
    const numbers: Record<string, number> = {
      unimplemented: -32601,
      invalid_argument: -32602,
      internal: -32603,
    };
    const { error } = JSON.parse(
      accepting.fail(ask(2), new RpcError(code, "")),
    );
    expect(error).toEqual({
      code: numbers[code] ?? -32000,
      message: "",
      data: { code },
    });
  });

  test("details that cannot be sent are left out; a long message is cut", () => {
    for (const details of [1n, new Date(), "x".repeat(65 * 1024), () => 1]) {
      const text = accepting.fail(
        ask(2),
        new RpcError("aborted", "no", { details }),
      );
      const { error } = JSON.parse(text);
      expect(error.data).toEqual({ code: "aborted" });
      // It says so, in whatever words.
      expect(error.message.length).toBeGreaterThan("no".length);
    }
    for (const version of [1, 2] as const) {
      const long = new RpcError("aborted", "€".repeat(1 << 20));
      expect(accepting.fail(ask(version), long).length).toBeLessThan(5000);
    }
  });

  test("what answers no request has the id null, in the version spoken last", () => {
    const error = new RpcError("unavailable", "bye");
    const inSecond = `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"bye","data":{"code":"unavailable"}}}\n`;
    expect(accepting.fail(0, error)).toBe(inSecond);
    ask(1);
    expect(accepting.fail(0, error)).toBe(
      `{"id":null,"result":null,"error":"bye","code":"unavailable"}\n`,
    );
    ask(2);
    expect(accepting.fail(0, error)).toBe(inSecond);
  });
});

test("what JSON-RPC has not, and what only the other end does", () => {
  const { codec } = accepting;
  const { writeSettings, writeRequest, writeCancel, writePiece } = codec;
  for (const write of [writeSettings, writeRequest, writeCancel, writePiece]) {
    expect(codeThrownBy(() => (write as () => void).call(codec))).toBe(
      "unimplemented",
    );
  }
});
