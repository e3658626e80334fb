import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/cli/root.ts";
import { parseAddress } from "../../src/transport/address.ts";
import { dialPipe } from "../../src/transport/dial.ts";
import { Peer } from "../server/set-up.ts";
import { FakeIo } from "../support/fake-io.ts";
import { client, start, type Started, startRegistry } from "./in-process.ts";

/** What Foo has, sorted. */
const demoMethods = [
  ...["Count", "Double", "Echo", "Fail"],
  ...["Sleep", "Sum", "Total", "Whoami"],
];

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "geerpc-cli-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Resolves when a call of Foo.Sleep runs on the server. */
async function untilAsleep({ listening }: Started): Promise<void> {
  const url = `${listening.replace("tcp@", "http://")}/debug/geerpc`;
  const headers = { Accept: "application/json" };
  for (;;) {
    const report = (await (await fetch(url, { headers })).json()) as {
      services: { Foo: { Sleep: { inFlight: number } } };
    };
    if (report.services.Foo.Sleep.inFlight > 0) return;
  }
}

async function write(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await Bun.write(path, text);
  return path;
}

describe("registry", () => {
  test("prints one line, serves the original's header, ends at the first signal", async () => {
    await using registry = await startRegistry();
    expect(registry.listening).toMatch(
      /^http:\/\/127\.0\.0\.1:\d+\/_geerpc_\/registry$/,
    );
    const answer = await fetch(registry.listening);
    expect(answer.headers.get("X-Geerpc-Servers")).toBe("");
    registry.io.signal("SIGINT");
    expect(await registry.ended).toBe(0);
    expect(registry.io.stdout.lines).toHaveLength(1);
    expect(registry.io.listeners).toBe(0);
  });

  test("a port in use: exit 1, and nothing on stdout", async () => {
    await using registry = await startRegistry();
    const { host } = new URL(registry.listening);
    const io = new FakeIo();
    expect(await run(["registry", "--listen", host], io)).toBe(1);
    expect(io.stdout.text).toBe("");
    expect(io.stderr.lines).toHaveLength(1);
    expect(io.listeners).toBe(0);
  });

  test("--ttl is for servers that send none", async () => {
    await using registry = await start(
      "registry",
      "--listen=127.0.0.1:0",
      "--ttl=0",
    );
    await fetch(registry.listening, {
      method: "POST",
      headers: { "X-Geerpc-Server": "tcp@a:1" },
    });
    const headers = { Accept: "application/json" };
    const answer = await fetch(registry.listening, { headers });
    const { servers } = (await answer.json()) as { servers: unknown[] };
    expect(servers).toMatchObject([{ address: "tcp@a:1" }]);
    expect(registry.io.stderr.text).toContain("tcp@a:1");
  });

  test("--data outlives it, and is one registry's at a time", async () => {
    const at = ["--listen=127.0.0.1:0", "--data", join(folder, "data")];
    {
      await using registry = await start("registry", ...at);
      await fetch(registry.listening, {
        method: "POST",
        headers: { "X-Geerpc-Server": "tcp@a:1" },
      });
      const io = new FakeIo();
      expect(await run(["registry", ...at], io)).toBe(1);
      expect(io.stdout.text).toBe("");
      expect(io.stderr.lines).toHaveLength(1);
      registry.io.signal("SIGTERM");
      expect(await registry.ended).toBe(0);
    }
    await using registry = await start("registry", ...at);
    const answer = await fetch(registry.listening);
    expect(answer.headers.get("X-Geerpc-Servers")).toBe("tcp@a:1");
  });
});

describe("with tokens", () => {
  const reader = "r".repeat(32);
  const writer = "w".repeat(32);

  test("a registry, a server and a client read theirs from files", async () => {
    const readers = await write("readers", `# all\n${reader}\n`);
    const writers = await write(
      "writers",
      `ann ${writer}\nbob ${"b".repeat(32)}`,
    );
    const own = await write("own", `ann ${writer}`);
    await using registry = await start(
      "registry",
      "--listen=127.0.0.1:0",
      ...["--read-token-file", readers, "--write-token-file", writers],
    );
    const at = ["--registry", registry.listening];
    await using server = await start(
      "server",
      ...[...at, "--registry-token-file", own, "--service-version=1"],
    );
    const headers = { Authorization: `Bearer ${reader}` };
    const listed = await fetch(registry.listening, { headers });
    expect(listed.headers.get("X-Geerpc-Servers")).toBe(server.listening);
    const call = ["client", "Foo.Echo", "7", ...at];
    const io = new FakeIo();
    expect(await run([...call, "--registry-token-file", readers], io)).toBe(0);
    expect(await run(call, new FakeIo())).toBe(3);
    const list = ["--list", ...at, "--registry-token-file", readers];
    expect((await client(list)).out).toMatchObject([
      { servers: [{ address: server.listening, version: "1" }] },
    ]);
    const two = ["--registry-token-file", writers];
    expect(await run([...call, ...two], new FakeIo())).toBe(2);
  });
});

describe("server", () => {
  test("without a file serves Foo, and says so", async () => {
    await using server = await start("server", "--log", "json");
    const line = JSON.parse(server.io.stderr.lines[0] as string);
    expect(line).toMatchObject({
      service: "Foo",
      methods: demoMethods,
    });
    const at = ["--server", server.listening];
    expect(
      await client(["Foo.Sum", '{"Num1":1,"Num2":2}', ...at]),
    ).toMatchObject({
      code: 0,
      out: [3],
    });
    expect((await client(["Foo.Whoami", ...at])).out).toEqual([
      { address: server.listening, pid: process.pid },
    ]);
    server.io.signal("SIGTERM");
    expect(await server.ended).toBe(0);
    expect(server.io.stdout.lines).toHaveLength(1);
    expect(server.io.listeners).toBe(0);
  });

  test("refuses who begins to speak and takes longer than --handshake-timeout", async () => {
    await using server = await start("server", "--handshake-timeout", "20ms");
    const peer = new Peer(
      await dialPipe(parseAddress(server.listening), { timeoutMs: 0 }),
    );
    peer.send("{");
    expect(await peer.refusal()).toBe("deadline_exceeded");
    await peer.ended();
  });

  test("registers under what it advertises, and leaves when it ends", async () => {
    await using registry = await startRegistry();
    const listed = async () =>
      (await fetch(registry.listening)).headers.get("X-Geerpc-Servers");
    const at = ["--registry", registry.listening];
    const plain = await start("server", ...at);
    expect(await listed()).toBe(plain.listening);
    const port = plain.listening.split(":").at(-1);
    await plain[Symbol.asyncDispose]();
    expect(await listed()).toBe("");
    const advertise = ["--advertise", "tcp@example.org:0"];
    await using named = await start(
      "server",
      "--listen",
      `127.0.0.1:${port}`,
      ...at,
      ...advertise,
    );
    expect(await listed()).toBe(`tcp@example.org:${port}`);
    named.io.signal("SIGINT");
    expect(await named.ended).toBe(0);
    expect(await listed()).toBe("");
  });

  test("is ready once a registry knows it, and listens although none can be reached", async () => {
    await using lonely = await start(
      "server",
      "--registry",
      "http://127.0.0.1:1",
    );
    const readyz = async (address: string) =>
      (await fetch(`${address.replace("tcp@", "http://")}/readyz`)).status;
    expect(await readyz(lonely.listening)).toBe(503);
    await using registry = await startRegistry();
    await using known = await start("server", "--registry", registry.listening);
    expect(await readyz(known.listening)).toBe(200);
  });

  test("a wildcard host is registered as where it came from", async () => {
    await using registry = await startRegistry();
    await using server = await start(
      "server",
      "--listen",
      "0.0.0.0:0",
      "--registry",
      registry.listening,
    );
    const port = server.listening.split(":").at(-1);
    const answer = await fetch(registry.listening);
    expect(answer.headers.get("X-Geerpc-Servers")).toBe(
      `tcp@127.0.0.1:${port}`,
    );
  });

  test("listens on a unix socket", async () => {
    const path = join(folder, "a.sock");
    await using server = await start("server", "--listen", `unix@${path}`);
    expect(server.listening).toBe(`unix@${path}`);
    expect(
      (await client(["Foo.Echo", "1", "--server", server.listening])).out,
    ).toEqual([1]);
  });

  test("a second signal ends it at once", async () => {
    const server = await start("server");
    const io = new FakeIo();
    const asleep = client(
      ["Foo.Sleep", '{"Num1":0.3,"Num2":0}', "--server", server.listening],
      io,
    );
    await untilAsleep(server);
    server.io.signal("SIGTERM");
    expect(server.io.exits).toEqual([]);
    server.io.signal("SIGINT");
    expect(server.io.exits).toEqual([130]);
    // The call that ran finishes, since this process goes on.
    expect((await asleep).code).toBe(0);
    expect(await server.ended).toBe(0);
  });

  test("limits are flags", async () => {
    await using server = await start(
      "server",
      "--handle-timeout=5ms",
      "--max-message=1KiB",
    );
    const at = ["--server", server.listening];
    const slow = await client(["Foo.Sleep", '{"Num1":60,"Num2":0}', ...at]);
    expect(slow.error.code).toBe("deadline_exceeded");
    const large = await client([
      "Foo.Echo",
      JSON.stringify("x".repeat(2_000)),
      ...at,
    ]);
    expect(large.error.code).toBe("resource_exhausted");
  });

  test("serves users' files, with this library behind the name geerpc", async () => {
    const file = await write(
      "arith.ts",
      `import { RpcError } from "geerpc";
       export enum Kind { Odd = "odd", Even = "even" }
       export class Arith {
         #calls = 0;
         sum({ a, b }: { a: number; b: number }): number { this.#calls++; return a + b; }
         kind(n: number): Kind { return n % 2 ? Kind.Odd : Kind.Even; }
         fail() { throw new RpcError("not_found", "nobody"); }
       }
       export const text = { upper: (value: string) => value.toUpperCase() };`,
    );
    await using server = await start("server", file);
    const at = ["--server", server.listening];
    expect((await client(["--list", ...at])).out).toMatchObject([
      { services: { Arith: ["fail", "kind", "sum"], text: ["upper"] } },
    ]);
    expect((await client(["Arith.sum", '{"a":1,"b":2}', ...at])).out).toEqual([
      3,
    ]);
    expect((await client(["Arith.kind", "3", ...at])).out).toEqual(["odd"]);
    expect((await client(["text.upper", '"a"', ...at])).out).toEqual(["A"]);
    const failed = await client(["Arith.fail", ...at]);
    expect(failed).toMatchObject({ code: 1, error: { code: "not_found" } });
  });

  test.each([
    ["missing.ts", undefined, "no such file"],
    ["throws.ts", 'throw new Error("boom\\nsecond line")', "boom"],
    ["nothing.ts", "export const a = 1;", "exports no service"],
    ["empty.ts", "", "exports no service"],
    ["syntax.ts", "export class A {", "line 1"],
    [
      "constructor.ts",
      'export class A { constructor() { throw new Error("no db"); } a() {} }',
      "no db",
    ],
    [
      "arguments.ts",
      "export class A { constructor(db) {} a() {} }",
      "A takes arguments",
    ],
    [
      "name.ts",
      'export default { "a": 1 }; const b = { x() {} }; export { b as "two words" };',
      "two words",
    ],
  ])(
    "a file that cannot be served, %s: exit 1 and one line",
    async (name, text, reason) => {
      const file =
        text === undefined ? join(folder, name) : await write(name, text);
      const io = new FakeIo();
      expect(await run(["server", file], io)).toBe(1);
      expect(io.stdout.text).toBe("");
      expect(io.stderr.lines).toHaveLength(1);
      expect(io.stderr.text).toContain(file);
      expect(io.stderr.text).toContain(reason);
      expect(io.stderr.text).not.toContain("    at ");
      expect(io.listeners).toBe(0);
    },
  );

  test("with --log-level debug there is the stack, too", async () => {
    const file = await write("throws-too.ts", 'throw new Error("boom")');
    const io = new FakeIo();
    expect(await run(["server", file, "--log-level=debug"], io)).toBe(1);
    expect(io.stderr.text).toMatch(/ at .*throws-too\.ts/);
  });

  test("two files with a service of one name: exit 1, naming the second", async () => {
    const files = [
      await write("one.ts", "export class A { a() {} }"),
      await write("two.ts", "export class A { a() {} }"),
    ];
    const io = new FakeIo();
    expect(await run(["server", ...files], io)).toBe(1);
    expect(io.stderr.text).toContain("two.ts");
  });

  test("a function in a field is not served, with a warning", async () => {
    const file = await write(
      "fields.ts",
      "export class A { a() {} b = () => 1; _c = () => 2; #d = () => 3; e = 4; }",
    );
    await using server = await start("server", file, "--log=json");
    const warnings = server.io.stderr.lines
      .map((line) => JSON.parse(line))
      .filter(({ level }) => level === "warn");
    expect(warnings).toMatchObject([{ event: "left-out", file, name: "A.b" }]);
  });

  test("what nobody caught is logged; the server leaves in order, exit 1", async () => {
    await using registry = await startRegistry();
    const at = ["--registry", registry.listening];
    const server = await start("server", ...at, "--log=json");
    const asleep = client([
      "Foo.Sleep",
      '{"Num1":0.2,"Num2":7}',
      ...["--server", server.listening],
    ]);
    await untilAsleep(server);
    server.io.fault(new Error("nobody waited"));
    server.io.fault("again");
    expect((await asleep).out).toEqual([7.2]);
    expect(await server.ended).toBe(1);
    const listed = await fetch(registry.listening);
    expect(listed.headers.get("X-Geerpc-Servers")).toBe("");
    const errors = server.io.stderr.lines
      .map((line) => JSON.parse(line))
      .filter(({ level }) => level === "error");
    expect(errors).toMatchObject([
      { event: "uncaught", error: { message: "nobody waited" } },
      { event: "uncaught", error: { message: "again" } },
    ]);
    expect(server.io.listeners).toBe(0);
  });

  test("what nobody caught while it starts ends it before it listens", async () => {
    const file = await write(
      "stuck.ts",
      "export class A { start() { return new Promise(() => {}); } a() {} }",
    );
    const io = new FakeIo();
    void io.attached.then(() => io.fault(new Error("too early")));
    const ended = run(["server", file, "--drain-timeout=10ms"], io);
    expect(await Promise.race([ended, Bun.sleep(3_000)])).toBe(1);
    expect(io.stdout.text).toBe("");
  });

  test("a port in use: exit 1", async () => {
    await using server = await start("server");
    const io = new FakeIo();
    expect(await run(["server", "--listen", server.listening], io)).toBe(1);
    expect(io.stderr.lines.at(-1)).toContain(server.listening);
    expect(io.stdout.text).toBe("");
  });
});

describe("client", () => {
  let server: Started;
  let at: string[];

  beforeAll(async () => {
    server = await start("server");
    at = ["--server", server.listening];
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test("reads its argument from stdin", async () => {
    const io = new FakeIo();
    io.stdin = '{"Num1":20,"Num2":22}\n';
    expect(await client(["Foo.Sum", "-", ...at], io)).toMatchObject({
      code: 0,
      out: [42],
    });
  });

  test("takes a negative number for an argument", async () => {
    expect((await client(["Foo.Echo", "-5", ...at])).out).toEqual([-5]);
  });

  test.each(["binary", "json", "application/json"])(
    "--codec %s",
    async (codec) => {
      const result = await client([
        "Foo.Echo",
        '{"a":[1]}',
        "--codec",
        codec,
        ...at,
      ]);
      expect(result).toMatchObject({ code: 0, out: [{ a: [1] }] });
    },
  );

  test("the environment says where", async () => {
    const io = new FakeIo({ GEERPC_SERVER: server.listening });
    expect((await client(["Foo.Echo", "1"], io)).out).toEqual([1]);
    const beaten = new FakeIo({ GEERPC_REGISTRY: "http://127.0.0.1:1" });
    expect((await client(["Foo.Echo", "2", ...at], beaten)).out).toEqual([2]);
  });

  test("a failed call: its code and message on stderr, exit 1", async () => {
    const args = '{"code":"data_loss","message":"a\\u001bb"}';
    const { code, error, io } = await client(["Foo.Fail", args, ...at]);
    expect(code).toBe(1);
    expect(error).toMatchObject({ code: "data_loss", message: "a\u001bb" });
    expect(io.stdout.text).toBe("");
    expect(io.stderr.text).not.toContain("\u001b");
    const unknown = await client(["Foo.Nothing", ...at]);
    expect(unknown).toMatchObject({
      code: 1,
      error: { code: "unimplemented" },
    });
  });

  test.each([
    [["client", "Foo.Sum", "--server", "gorpc@127.0.0.1:1"]],
    [["client", "--list", "--server", "tcp@127.0.0.1:1,jsonrpc@127.0.0.1:1"]],
    [["bench", "--server", "gorpc+http@127.0.0.1:1"]],
  ])("a codec that the address does not speak: exit 2, %j", async (words) => {
    const io = new FakeIo();
    expect(await run([...words, "--codec", "json"], io)).toBe(2);
    expect(io.stderr.lines).toHaveLength(1);
    expect(io.stderr.text).toContain("--codec");
    const other = new FakeIo();
    expect(await run(words, other)).toBe(3);
  });

  test("no connection: exit 3", async () => {
    const none = await client(["Foo.Echo", "--server", "127.0.0.1:1"]);
    expect(none).toMatchObject({
      code: 3,
      error: { code: "unavailable", sent: false },
    });
    const registry = await client([
      "Foo.Echo",
      "--registry",
      "http://127.0.0.1:1",
    ]);
    expect(registry.code).toBe(3);
    const broadcast = await client([
      "Foo.Echo",
      "--broadcast",
      "--registry",
      "http://127.0.0.1:1",
    ]);
    expect(broadcast.code).toBe(3);
    const list = await client(["--list", "--server", "127.0.0.1:1"]);
    expect(list).toMatchObject({ code: 3, out: [] });
  });

  test("a server that says nothing: exit 3 after the connect timeout", async () => {
    using silent = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data() {} },
    });
    const { code } = await client([
      "Foo.Echo",
      "--server",
      `127.0.0.1:${silent.port}`,
      "--connect-timeout",
      "20ms",
    ]);
    expect(code).toBe(3);
  });

  test("out of time: exit 4", async () => {
    const { code, error } = await client([
      "Foo.Sleep",
      '{"Num1":60,"Num2":0}',
      "--timeout",
      "20ms",
      ...at,
    ]);
    expect(code).toBe(4);
    expect(error.code).toBe("deadline_exceeded");
  });

  test.each(["SIGINT", "SIGTERM"] as const)(
    "%s ends it at once",
    async (signal) => {
      const io = new FakeIo();
      const ended = client(
        ["Foo.Sleep", '{"Num1":60,"Num2":0}', "--timeout", "0", ...at],
        io,
      );
      await io.attached;
      await untilAsleep(server);
      io.signal(signal);
      expect((await ended).code).toBe(signal === "SIGINT" ? 130 : 143);
      expect(io.stdout.text).toBe("");
      expect(io.listeners).toBe(0);
    },
  );

  test("an interrupt while it reads stdin ends it, too", async () => {
    const io = new FakeIo();
    const asked = Promise.withResolvers<void>();
    io.readStdin = () => {
      asked.resolve();
      return new Promise(() => {});
    };
    const ended = client(["Foo.Echo", "-", ...at], io);
    await asked.promise;
    io.signal("SIGINT");
    expect((await ended).code).toBe(130);
  });

  test("--broadcast: a line per server, exit 1 if any failed", async () => {
    await using other = await start("server");
    const both = ["--server", `${server.listening},${other.listening}`];
    const addresses = [server.listening, other.listening].sort();
    const fine = await client(["Foo.Echo", "1", "--broadcast", ...both]);
    expect(fine.code).toBe(0);
    expect(fine.out).toEqual(addresses.map((server) => ({ server, reply: 1 })));
    const nothing = await client(["Foo.Echo", "--broadcast", ...both]);
    expect(nothing.out).toEqual(
      addresses.map((server) => ({ server, reply: null })),
    );
    const gone = "tcp@127.0.0.1:1";
    const mixed = await client([
      "Foo.Echo",
      "1",
      "--broadcast",
      ...at,
      "--server",
      gone,
    ]);
    expect(mixed.code).toBe(1);
    expect(mixed.out).toContainEqual({ server: server.listening, reply: 1 });
    expect(mixed.out).toContainEqual({
      server: gone,
      error: { code: "unavailable", message: expect.any(String) },
    });
  });

  test("--list is what all servers have together", async () => {
    const file = await write("more.ts", "export class More { a() {} }");
    await using other = await start("server", file);
    const both = await client(["--list", ...at, "--server", other.listening]);
    expect(both).toMatchObject({
      code: 0,
      out: [
        {
          services: {
            Foo: demoMethods,
            More: ["a"],
          },
        },
      ],
    });
    const partly = await client(["--list", ...at, "--server", "127.0.0.1:1"]);
    expect(partly.code).toBe(0);
    expect(partly.out).toHaveLength(1);
    expect(partly.error).toMatchObject({ server: "tcp@127.0.0.1:1" } as never);
  });

  test("--registry with --mode round-robin goes to each server in turn", async () => {
    await using registry = await startRegistry();
    const by = ["--registry", registry.listening];
    await using one = await start("server", ...by);
    await using two = await start("server", ...by);
    const { out } = await client(["Foo.Whoami", "--broadcast", ...by]);
    expect(out).toHaveLength(2);
    const { code } = await client([
      "Foo.Echo",
      "1",
      "--mode",
      "round-robin",
      ...by,
    ]);
    expect(code).toBe(0);
    expect(one.listening).not.toBe(two.listening);
  });

  test.each([
    [["--list"]],
    [["Foo.Echo"]],
    [["Foo.Echo", "1", "2", "--server", "a:1"]],
    [["--server", "a:1"]],
    [["FooEcho", "--server", "a:1"]],
    [[".Echo", "--server", "a:1"]],
    [["Foo.Echo", "{", "--server", "a:1"]],
    [["Foo.Echo", "", "--server", "a:1"]],
    [["Foo.Echo", "-", "--server", "a:1"]],
    [["--list", "Foo.Echo", "--server", "a:1"]],
    [["Foo.Echo", "--server", "a:1", "--registry", "http://a:1"]],
    [["Foo.Echo", "--server", "a"]],
    [["Foo.Echo", "--server"]],
    [["Foo.Echo", "--registry", "a:1"]],
    [["Foo.Echo", "--server", "a:1", "--codec", "xml"]],
    [["Foo.Echo", "--server", "a:1", "--mode", "best"]],
    [["Foo.Echo", "--server", "a:1", "--timeout", "5"]],
    [["Foo.Echo", "--server", "a:1", "--tiemout", "5s"]],
  ])("wrong usage, %j: exit 2 and one line", async (args) => {
    const { code, io } = await client(args);
    expect(code).toBe(2);
    expect(io.stdout.text).toBe("");
    expect(io.stderr.lines).toHaveLength(1);
    expect(io.listeners).toBe(0);
  });
});

test.each([
  [["registry", "more"]],
  [["registry", "--listen", "tcp@127.0.0.1:0"]],
  [["registry", "--ttl", "5"]],
  [["registry", "--write-token-file", "/nowhere"]],
  [["registry", "--read-token-file", "/dev/null"]],
  [["server", "--listen", "nowhere"]],
  [["server", "--max-message", "4MB"]],
  [["server", "--max-connections", "0"]],
  [["server", "--log", "xml"]],
  [["server", "--log-level", "loud"]],
  [["server", "--registry", "127.0.0.1:9999"]],
  [["demo", "--fast"]],
  [["demo", "now"]],
])("wrong usage, %j: exit 2 and one line", async (args) => {
  const io = new FakeIo();
  expect(await run(args, io)).toBe(2);
  expect(io.stdout.text).toBe("");
  expect(io.stderr.lines).toHaveLength(1);
});
