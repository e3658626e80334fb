import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomIndex } from "../../src/base/random.ts";
import {
  Client,
  type ClientOptions,
  gob,
  GobRegistry,
  RpcError,
} from "../../src/index.ts";
import { testRandom } from "../support/seed.ts";
import { fooCalls } from "./foo-calls.ts";
import { checkedType, mirrorTypes } from "./foo.ts";
import {
  buildTimeoutMs,
  type GoServer,
  goProgram,
  isSkipped,
  serveGo,
} from "./go-peer.ts";

// Our client of servers in Go: the original's stream and net/rpc.

const kinds = [
  { name: "GeeRPC over tcp", command: "serve-geerpc", at: "listening" },
  { name: "GeeRPC over HTTP CONNECT", command: "serve-geerpc", at: "http" },
  { name: "net/rpc over tcp", command: "serve-netrpc", at: "listening" },
  { name: "net/rpc over HTTP CONNECT", command: "serve-netrpc", at: "http" },
] as const;

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    (value) => ({ value }),
    (thrown: unknown) => RpcError.from(thrown).code,
  );
}

describe.skipIf(isSkipped)("our client of Go", () => {
  const servers = new Map<string, GoServer>();

  async function dial(
    command: string,
    at: "listening" | "http" = "listening",
    options: ClientOptions = {},
  ): Promise<Client> {
    let server = servers.get(command);
    if (server === undefined) {
      server = await serveGo(command);
      servers.set(command, server);
    }
    const codec = { codec: "application/gob" };
    return Client.dial(server[at], {
      ...(command === "serve-geerpc" ? codec : {}),
      ...options,
    });
  }

  beforeAll(async () => {
    await goProgram("peer");
  }, buildTimeoutMs);
  afterAll(async () => {
    for (const server of servers.values()) await server[Symbol.asyncDispose]();
  });

  describe.each(kinds)("$name", ({ command, at }) => {
    test("every kind of type arrives, and comes back", async () => {
      await using client = await dial(command, at);
      for (const [serviceMethod, args, reply, options] of fooCalls) {
        const got = await client.call(serviceMethod, args, options);
        expect({ serviceMethod, reply: got }).toEqual({ serviceMethod, reply });
      }
    });

    test("300 generated values are what Go has made", async () => {
      const first = randomIndex(2 ** 31, testRandom());
      await using client = await dial(command, at);
      const types = Object.entries(mirrorTypes).map(
        ([name, type]) => [name, checkedType(type)] as const,
      );
      for (let i = 0; i < 300; i++) {
        const [name, type] = types[i % types.length] as (typeof types)[0];
        const Seed = first + i;
        const Value = await client.call(`${name}.Make`, Seed);
        const args = { Seed, Value };
        expect(await client.call(`${name}.Check`, args, { gob: type })).toBe(
          "",
        );
      }
    });

    test("200 calls in flight at once find their answers", async () => {
      await using client = await dial(command, at);
      const sums = Array.from({ length: 200 }, (_, i) =>
        client.call("Foo.Sum", { Num1: i, Num2: 1000 }),
      );
      expect(await Promise.all(sums)).toEqual(sums.map((_, i) => i + 1000));
    });

    test("errors keep their text and have a code", async () => {
      await using client = await dial(command, at);
      for (const text of ["boom: it failed", "100% broken", "%s%d"]) {
        const call = await client.go("Foo.Fail", text).done;
        expect([call.error?.code, call.error?.message]).toEqual([
          "unknown",
          text,
        ]);
      }
      // A float64 where Go wants an int: its decoder says so, and goes on.
      const args = { Num1: 1.5, Num2: 1 };
      expect(await codeOf(client.call("Foo.Sum", args))).toBe(
        "invalid_argument",
      );
      expect(await client.call("Foo.Not", true)).toBe(false);
    });

    test("a slow call does not hold up others, and its deadline is the caller's", async () => {
      await using client = await dial(command, at);
      // Go's handler holds up the end of the connection, so it is not longer.
      const args = { Num1: 500, Num2: 1 };
      const slow = codeOf(client.call("Foo.Sleep", args, { timeoutMs: 200 }));
      expect(await client.call("Foo.Not", true)).toBe(false);
      expect(await slow).toBe("deadline_exceeded");
      expect(await client.call("Foo.Not", true)).toBe(false);
    });

    test("a struct that is registered here travels in an interface under its name", async () => {
      const args = gob.struct({ Num1: gob.int, Num2: gob.int }, "Args");
      const gobRegistry = new GobRegistry().register("main.Args", args);
      await using client = await dial(command, at, { gobRegistry });
      const box = { gob: gob.struct({ V: gob.interface }) };
      const V = { Num1: 1, Num2: 2 };
      expect(await client.call("Foo.Kind", { V }, box)).toBe("main.Args");
    });

    test("what Go cannot have is refused at the call", async () => {
      await using client = await dial(command, at);
      expect(await codeOf(client.notify("Foo.Not", true))).toBe(
        "unimplemented",
      );
      expect(await codeOf(client.call("Foo.Not", true, { body: "json" }))).toBe(
        "unimplemented",
      );
      expect(await client.call("Foo.Not", true)).toBe(false);
    });
  });

  test("net/rpc: an unknown method is unimplemented, and the connection goes on", async () => {
    await using client = await dial("serve-netrpc");
    for (const name of ["Foo.Nope", "Nope.Sum"]) {
      expect(await codeOf(client.call(name, { Num1: 1 }))).toBe(
        "unimplemented",
      );
    }
    expect(await codeOf(client.call("ill-formed", {}))).toBe(
      "invalid_argument",
    );
    expect(await client.call("Foo.Not", true)).toBe(false);
  });

  for (const name of ["Foo.Nope", "Nope.Sum"]) {
    test(`GeeRPC: ${name} costs the connection, in both ends' eyes`, async () => {
      await using client = await dial("serve-geerpc");
      expect(await codeOf(client.call(name, { Num1: 1 }))).toBe(
        "unimplemented",
      );
      await client.closed;
      expect(client.isAvailable).toBe(false);
    });
  }

  test("GeeRPC: the handle timeout that the Option asks for", async () => {
    await using client = await dial("serve-geerpc", "listening", {
      handleTimeoutMs: 50,
    });
    const slow = client.call("Foo.Sleep", { Num1: 300, Num2: 1 });
    expect(await codeOf(slow)).toBe("deadline_exceeded");
    expect(await client.call("Foo.Sum", { Num1: 1, Num2: 2 })).toBe(3);
  });

  test("GeeRPC: 50 times dial and call at once: nothing behind the Option is lost", async () => {
    for (let i = 0; i < 50; i++) {
      await using client = await dial("serve-geerpc");
      const calls = [1, 2, 3].map((Num1) =>
        client.call("Foo.Sum", { Num1, Num2: i }),
      );
      expect(await Promise.all(calls)).toEqual([1 + i, 2 + i, 3 + i]);
    }
  });

  test("GeeRPC: a wrong CodecType is a close without a word, and says so", async () => {
    const client = dial("serve-geerpc", "listening", {
      codec: "application/x-geerpc",
    });
    const error = await client.then(
      () => undefined,
      (thrown: unknown) => RpcError.from(thrown),
    );
    expect([error?.code, error?.sent]).toEqual(["unavailable", false]);
  });

  test("a Go server that ends fails its calls, and fast", async () => {
    const server = await serveGo("serve-netrpc");
    await using client = await Client.dial(server.listening);
    const args = { Num1: 60_000, Num2: 1 };
    const slow = codeOf(client.call("Foo.Sleep", args, { timeoutMs: 0 }));
    expect(await client.call("Foo.Not", true)).toBe(false);
    await server[Symbol.asyncDispose]();
    expect(await slow).toBe("unavailable");
  });

  describe("jsonrpc", () => {
    test("what JSON carries arrives, and comes back", async () => {
      await using client = await dial("serve-jsonrpc");
      const calls: [string, unknown, unknown][] = [
        ["Foo.Sum", { Num1: 1, Num2: -2 }, -1],
        ["Foo.Upper", "é\u2028</", "É\u2028</"],
        ["Foo.Count", 20, [0, 1, 4, 9, 16]],
        ["Foo.Avg", [2, 4], 3],
        ["Foo.Words", { a: 1 }, { "a!": 2 }],
        ["Foo.Rotate", [1, 2, 3], [2, 3, 1]],
        ["Foo.Not", false, true],
        ["Foo.Open", "text", { V: "seven" }],
        ["Foo.Nothing", {}, {}],
        ["Foo.Who", {}, "go"],
        ["Tree.Echo", { Value: 1, Children: [] }, { Value: 1, Children: [] }],
      ];
      for (const [serviceMethod, args, reply] of calls) {
        const got = await client.call(serviceMethod, args);
        expect({ serviceMethod, reply: got }).toEqual({ serviceMethod, reply });
      }
    });

    test("errors keep their text and have a code, and the connection goes on", async () => {
      await using client = await dial("serve-jsonrpc");
      const failed = await client.go("Foo.Fail", "100% broken").done;
      expect([failed.error?.code, failed.error?.message]).toEqual([
        "unknown",
        "100% broken",
      ]);
      for (const [serviceMethod, args, code] of [
        ["Foo.Nope", {}, "unimplemented"],
        ["Nope.Sum", {}, "unimplemented"],
        ["ill-formed", {}, "invalid_argument"],
        ["Foo.Sum", { Num1: "one" }, "invalid_argument"],
      ] as const) {
        expect(await codeOf(client.call(serviceMethod, args))).toBe(code);
      }
      // JSON-RPC has notifications; Go answers them all the same, with id null.
      await client.notify("Foo.Not", true);
      await client.notify("Foo.Nope", true);
      expect(await client.call("Foo.Not", true)).toBe(false);
    });

    test("200 calls in flight at once find their answers", async () => {
      await using client = await dial("serve-jsonrpc");
      const sums = Array.from({ length: 200 }, (_, i) =>
        client.call("Foo.Sum", { Num1: i, Num2: 1000 }),
      );
      expect(await Promise.all(sums)).toEqual(sums.map((_, i) => i + 1000));
    });
  });
});
