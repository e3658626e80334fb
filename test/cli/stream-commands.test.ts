import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { RpcError } from "../../src/errors.ts";
import type { Context } from "../../src/service/context.ts";
import { Server } from "../../src/server/server.ts";
import { FakeIo } from "../support/fake-io.ts";
import { client, start } from "./in-process.ts";

/** Streams whose end a test can wait for. */
class Streams {
  readonly #ended = [Promise.withResolvers<string>()];

  /** Two items, and then nothing until nobody wants more. */
  async *open(_args: unknown, { signal }: Context) {
    try {
      yield 1;
      yield 2;
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    } finally {
      const { code } = signal.reason as RpcError;
      this.#ended.at(-1)?.resolve(code);
    }
  }

  async *failing() {
    yield 1;
    throw new RangeError("no more");
  }

  /** What a stream knows of its end, once it has begun. */
  async *deadline(_args: unknown, context: Context) {
    yield context.deadlineAt === undefined ? "none" : "some";
  }

  async *given(items: AsyncIterable<unknown>, context: Context) {
    yield context.deadlineAt === undefined ? "none" : "some";
    yield* items;
  }

  metadata(_args: unknown, { metadata, responseMetadata }: Context) {
    responseMetadata.set("seen", "yes").set("size-bin", Uint8Array.of(7));
    return new Map(metadata);
  }

  /** How the last stream ended: the code that its signal aborted with. */
  async _ended(): Promise<string> {
    const code = await this.#ended.at(-1)?.promise;
    this.#ended.push(Promise.withResolvers());
    return code as string;
  }
}

let server: Server;
const streams = new Streams();
let at: string[];

beforeAll(async () => {
  server = new Server();
  server.register(streams);
  at = ["--server", await server.listen()];
});
afterAll(() => server.close());

describe("a reply that is a stream", () => {
  test("is a line an item, and exit 0", async () => {
    await using demo = await start("server");
    const by = ["--server", demo.listening];
    const args = '{"from":2,"to":4,"everyMs":1}';
    expect(await client(["Foo.Count", args, ...by])).toMatchObject({
      code: 0,
      out: [2, 3, 4],
    });
    expect((await client(["Foo.Count", "0", ...by])).code).toBe(0);
  });

  test("that fails behind its items: they are printed, then the error, exit 1", async () => {
    expect(await client(["Streams.failing", ...at])).toMatchObject({
      code: 1,
      out: [1],
      error: { code: "unknown" },
    });
  });

  test("that is out of time: what came, exit 4, and its generator has ended", async () => {
    const args = ["Streams.open", "--timeout", "30ms", ...at];
    expect(await client(args)).toMatchObject({
      code: 4,
      out: [1, 2],
      error: { code: "deadline_exceeded" },
    });
    expect(await streams._ended()).toMatch(/^(cancelled|deadline_exceeded)$/);
  });

  test.each([
    [[], {}, "none"],
    [["--timeout", "0"], {}, "none"],
    [["--timeout", "9s"], {}, "some"],
    [[], { GEERPC_TIMEOUT: "9s" }, "some"],
  ])(
    "has no limit but one that is given: %j %j, %s",
    async (args, env, limit) => {
      const io = new FakeIo(env);
      const reply = await client(["Streams.deadline", ...args, ...at], io);
      expect(reply.out).toEqual([limit]);
    },
  );

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s cancels it at the server", async (signal, code) => {
    const io = new FakeIo();
    const ended = client(["Streams.open", ...at], io);
    await io.stdout.firstLine;
    io.signal(signal);
    expect((await ended).code).toBe(code);
    expect(await streams._ended()).toBe("cancelled");
    expect(io.stderr.text).toBe("");
    expect(io.listeners).toBe(0);
  });

  test("a reader that leaves cancels it at the server, quietly", async () => {
    const io = new FakeIo();
    io.stdout.flush = () => Promise.resolve(false);
    const { code, out } = await client(["Streams.open", ...at], io);
    expect({ code, out }).toEqual({ code: 0, out: [1] });
    expect(io.stderr.text).toBe("");
    expect(await streams._ended()).toBe("cancelled");
  });

  test("of a broadcast, a line an item and whose it is; SIGINT tells of no failure", async () => {
    await using other = new Server();
    other.register(new Streams());
    const by = [...at, "--server", await other.listen()];
    const deadlines = await client(["Streams.deadline", "--broadcast", ...by]);
    expect(deadlines.code).toBe(0);
    expect(deadlines.out).toEqual(
      [by[1], by[3]].sort().map((server) => ({ server, item: "none" })),
    );
    const failing = await client(["Streams.failing", "--broadcast", ...by]);
    expect(failing.code).toBe(1);
    expect(failing.out).toHaveLength(4);

    const io = new FakeIo();
    const ended = client(["Streams.open", "--broadcast", ...by], io);
    await io.stdout.firstLine;
    io.signal("SIGINT");
    expect((await ended).code).toBe(130);
    await streams._ended();
    expect(io.stdout.text).not.toContain("error");
    expect(io.stderr.text).toBe("");
  });
});

test("a server that is told to end lets a stream finish, and cuts the endless after --drain-timeout", async () => {
  await using server = await start("server", "--drain-timeout=300ms");
  const count = (range: object) => {
    const io = new FakeIo();
    const args = ["Foo.Count", JSON.stringify(range)];
    const ended = client([...args, "--server", server.listening], io);
    return { io, ended };
  };
  const short = count({ to: 20, everyMs: 2 });
  const endless = count({ everyMs: 2 });
  await Promise.all([short.io.stdout.firstLine, endless.io.stdout.firstLine]);
  server.io.signal("SIGTERM");
  expect(await short.ended).toMatchObject({
    code: 0,
    out: Array.from({ length: 20 }, (_, index) => index + 1),
  });
  expect(await endless.ended).toMatchObject({
    code: 1,
    error: { code: "unavailable" },
  });
  expect(endless.io.stdout.lines.length).toBeGreaterThan(20);
  expect(await server.ended).toBe(0);
});

describe("--items", () => {
  async function given(stdin: string, ...args: string[]) {
    const io = new FakeIo();
    io.stdin = stdin;
    return client([...args, "--items"], io);
  }

  test("sends the lines of stdin as a stream, which has no limit", async () => {
    await using demo = await start("server");
    const by = ["--server", demo.listening];
    expect(await given("1\n2\n\n39\n", "Foo.Total", ...by)).toMatchObject({
      code: 0,
      out: [42],
    });
    expect((await given("1\n2", "Foo.Double", "-", ...by)).out).toEqual([2, 4]);
    expect((await given("[1]", "Streams.given", ...at)).out).toEqual([
      "none",
      [1],
    ]);
    const limited = await given("", "Streams.given", "--timeout=9s", ...at);
    expect(limited.out).toEqual(["some"]);
  });

  test("a line that is no JSON: exit 2 and one line", async () => {
    const { code, io } = await given("1\n{\n", "Streams.given", ...at);
    expect(code).toBe(2);
    expect(io.stderr.lines).toHaveLength(1);
    expect(io.stderr.text).toContain("line 2");
  });

  test("an interrupt ends the waiting for stdin", async () => {
    const io = new FakeIo();
    io.stdinChunks = async function* () {
      await new Promise(() => {});
    };
    const ended = client(["Streams.given", "--items", ...at], io);
    await io.stdout.firstLine;
    io.signal("SIGINT");
    expect((await ended).code).toBe(130);
  });

  test("as a reply over a codec without streams: exit 1, and what to use", async () => {
    const args = ["Streams.failing", "--codec=json", ...at];
    expect(await client(args)).toMatchObject({
      code: 1,
      error: {
        code: "unimplemented",
        message: expect.stringContaining("binary codec"),
      },
    });
  });

  test("over a codec without streams: exit 1", async () => {
    const args = ["Streams.given", "--codec=json", ...at];
    expect(await given("1", ...args)).toMatchObject({
      code: 1,
      error: { code: "unimplemented" },
    });
  });
});

describe("metadata", () => {
  test("goes with the call; what comes back is shown where that is asked for", async () => {
    const args = ["Streams.metadata", "--metadata", "user=a,b", ...at];
    const io = new FakeIo();
    const { out } = await client([...args, "--metadata", "k-bin=AQ=="], io);
    expect(out).toEqual([{ user: "a,b", "k-bin": "AQ==" }]);
    expect(io.stderr.text).toBe("");
    const shown = await client([...args, "--show-metadata"]);
    expect(shown.error).toEqual({
      metadata: { seen: "yes", "size-bin": "Bw==" },
    } as never);
  });

  test("comes from the environment, one a line", async () => {
    const io = new FakeIo({ GEERPC_METADATA: "a=1\nb=2" });
    const { out } = await client(["Streams.metadata", ...at], io);
    expect(out).toEqual([{ a: "1", b: "2" }]);
  });
});

test.each([
  [["Foo.Total", "1", "--items"]],
  [["Foo.Total", "--items", "--broadcast"]],
  [["--items", "--list"]],
  [["Foo.Total", "--show-metadata", "--broadcast"]],
  [["--show-metadata", "--list"]],
  [["Foo.Total", "--metadata", "a"]],
  [["Foo.Total", "--metadata", "A=1"]],
  [["Foo.Total", "--items=perhaps"]],
])("wrong usage, %j: exit 2 and one line", async (args) => {
  const { code, io } = await client([...args, "--server", "tcp@127.0.0.1:1"]);
  expect(code).toBe(2);
  expect(io.stdout.text).toBe("");
  expect(io.stderr.lines).toHaveLength(1);
});
