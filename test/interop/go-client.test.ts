import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomIndex } from "../../src/base/random.ts";
import { Server } from "../../src/index.ts";
import { testRandom } from "../support/seed.ts";
import { Foo, registerAll } from "./foo.ts";
import {
  buildTimeoutMs,
  callFromGo,
  goProgram,
  isSkipped,
  runPeer,
  serveGo,
} from "./go-peer.ts";

// Clients in Go of our server: the original's stream and net/rpc.

const gobProtocols = ["tcp", "http", "gorpc", "gorpc+http"];

/** As Go prints them: bytes in base64, and empty as it decodes them, which is null. */
const calls: [string, unknown, unknown][] = [
  ["Foo.Sum", { Num1: 1, Num2: -2 }, -1],
  ["Foo.Sum", {}, 0],
  ["Foo.Upper", "grün 🙂", "GRÜN 🙂"],
  ["Foo.Upper", "", ""],
  ["Foo.Count", 20, [0, 1, 4, 9, 16]],
  ["Foo.Count", 0, null],
  ["Foo.Avg", [1.5, 2, 2.5], 2],
  ["Foo.Words", { a: 1, b: 0 }, { "a!": 2, "b!": 0 }],
  ["Foo.Invert", { "-3": "x" }, { x: -3 }],
  ["Foo.Rotate", [1, 2, 3], [2, 3, 1]],
  ["Foo.Not", false, true],
  ["Foo.Complement", 1, 2 ** 64],
  ["Foo.Next", -1, 0],
  ["Foo.Open", "int", { V: 7 }],
  ["Foo.Open", "args", { V: { Num1: 1, Num2: 2 } }],
  ["Foo.Open", "none", { V: null }],
  ["Foo.Nothing", {}, {}],
  ["Foo.Who", {}, "ts"],
  ["Foo.Reverse", "AQL/", "/wIB"],
  [
    "Foo.Grow",
    { Value: 1, Children: [{ Value: 2 }] },
    {
      Value: 3,
      Children: [{ Value: 1, Children: [{ Value: 2, Children: null }] }],
    },
  ],
  [
    "Foo.Later",
    { At: "2024-02-29T23:59:59.5Z", In: 1_000_000_000 },
    "2024-03-01T00:00:00.5Z",
  ],
  [
    "Foo.Birthday",
    { Name: "Ann", Age: 41, Scores: [1.5], Boss: { Name: "Bob" } },
    {
      ...{ Name: "Ann", Age: 42, Scores: [1.5, 42], Raw: null, Tags: null },
      Boss: {
        ...{ Name: "Bob", Age: 0, Scores: null, Raw: null, Tags: null },
        Boss: null,
      },
    },
  ],
];

const sum = ["Foo.Sum", { Num1: 1, Num2: 2 }] as const;

describe.skipIf(isSkipped)("Go's client", () => {
  const foo = new Foo();
  const server = registerAll(new Server(), foo);
  let port = "";

  const at = (protocol: string) => `${protocol}@127.0.0.1:${port}`;

  beforeAll(async () => {
    await goProgram("peer");
    port = (await server.listen("tcp@127.0.0.1:0")).split(":").at(-1) ?? "";
  }, buildTimeoutMs);
  afterAll(() => server.close());

  test("of Go's server: the peer itself is right", async () => {
    for (const command of ["serve-geerpc", "serve-netrpc"]) {
      await using go = await serveGo(command);
      for (const address of [go.listening, go.http]) {
        const flags = ["-option", "then-pause"];
        const lines = await runPeer("echo", ...flags, address, "1", "300");
        expect(lines).toEqual([{ compared: 300, different: [] }]);
      }
    }
  });

  describe.each(gobProtocols)("over %s", (protocol) => {
    test("every kind of type arrives, and comes back", async () => {
      const lines = await callFromGo(at(protocol), calls);
      const got = lines.map((line, i) => [calls[i]?.[0], line]);
      expect(got).toEqual(calls.map(([name, , reply]) => [name, { reply }]));
    });

    test("300 generated values come back as they left, by reflect.DeepEqual", async () => {
      const seed = String(randomIndex(2 ** 31, testRandom()));
      const lines = await runPeer("echo", at(protocol), seed, "300");
      expect(lines).toEqual([{ compared: 300, different: [] }]);
    });

    test("errors arrive, and the connection goes on behind an unknown method", async () => {
      const lines = await callFromGo(at(protocol), [
        ["Foo.Fail", "boom: it failed"],
        ["Foo.Nope", { Num1: 5, Num2: 6 }],
        sum,
        ["Nope.Sum", { Num1: 5, Num2: 6 }],
        sum,
        ["ill-formed", {}],
        sum,
      ]);
      expect(lines).toEqual([
        { error: "boom: it failed" },
        { error: "rpc server: can't find method Nope" },
        { reply: 3 },
        { error: "rpc server: can't find service Nope" },
        { reply: 3 },
        { error: "rpc server: service/method request ill-formed: ill-formed" },
        { reply: 3 },
      ]);
    });
  });

  test("the text of an error is no format: net/rpc shows it as it is", async () => {
    const calls = [["Foo.Fail", "100% broken %s"], sum] as const;
    expect(await callFromGo(at("gorpc"), calls)).toEqual([
      { error: "100% broken %s" },
      { reply: 3 },
    ]);
    const [original] = await callFromGo(at("tcp"), calls);
    expect((original as { error: string }).error).toStartWith("100%");
  });

  test.each(["tcp", "http"])(
    "%s: Option and request in one write, an LF that comes alone",
    async (protocol) => {
      for (const way of ["alone", "together", "then-lf"]) {
        const calls = [sum, ["Foo.Not", true]] as const;
        const lines = await callFromGo(at(protocol), calls, "-option", way);
        expect({ way, lines }).toEqual({
          way,
          lines: [{ reply: 3 }, { reply: false }],
        });
      }
    },
  );

  test("the handle timeout of an Option: one answer, a handler that is told, and the connection goes on", async () => {
    const before = foo.stopped;
    const calls = [["Foo.Sleep", { Num1: 20_000 }], sum] as const;
    const flags = ["-handle-timeout", "50ms"];
    expect(await callFromGo(at("tcp"), calls, ...flags)).toEqual([
      { error: "rpc server: request handle timeout: expect within 50ms" },
      { reply: 3 },
    ]);
    expect(foo.stopped).toBe(before + 1);
  });

  test("jsonrpc: values, errors, and on behind an unknown method", async () => {
    const lines = await callFromGo(at("jsonrpc"), [
      sum,
      ["Foo.Upper", "grün"],
      ["Foo.Count", 20],
      ["Foo.Avg", [1, 2]],
      ["Foo.Fail", "100% broken"],
      ["Foo.Nope", {}],
      ["Foo.Grow", { Value: 1, Children: [] }],
    ]);
    expect(lines).toEqual([
      { reply: 3 },
      { reply: "GRÜN" },
      { reply: [0, 1, 4, 9, 16] },
      { reply: 1.5 },
      { error: "100% broken" },
      { error: "rpc server: can't find method Nope" },
      {
        reply: { Value: 1, Children: [{ Value: 1, Children: [] }] },
      },
    ]);
  });
});
