import {
  afterAll,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../../package.json";
import type { Foo } from "../../src/cli/demo-service.ts";
import { connect } from "../../src/xclient/connect.ts";
import {
  buildExecutable,
  isAlive,
  Program,
  type Result,
} from "../support/geerpc.ts";

setDefaultTimeout(30_000);

let geerpc: string;
let removeBuild: () => Promise<void>;
/** Where it is run: far from the source. */
let folder: string;

beforeAll(async () => {
  ({ path: geerpc, remove: removeBuild } = await buildExecutable());
  folder = await mkdtemp(join(tmpdir(), "geerpc-run-"));
});
afterAll(async () => {
  await removeBuild();
  await rm(folder, { recursive: true });
});

function start(...args: string[]): Program {
  return new Program([geerpc, ...args], { cwd: folder });
}

function run(...args: string[]): Promise<Result> {
  return Program.run([geerpc, ...args], { cwd: folder });
}

/** What a call printed, parsed. */
async function call(...args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await run("client", ...args);
  if (code !== 0) throw new Error(`exit ${code}: ${stderr}`);
  return JSON.parse(stdout);
}

/** `--registry` with the URL of one that has just started. */
async function startRegistry(): Promise<{ registry: Program; at: string[] }> {
  const registry = start("registry", "--listen", "127.0.0.1:0");
  return { registry, at: ["--registry", await registry.listening()] };
}

test("--version is one line with the version and the commit", async () => {
  const { code, stdout, stderr } = await run("--version");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^geerpc \S+ \((unknown|[0-9a-f]{7,}\+?)\)\n$/);
  expect(stdout).toContain(` ${version} `);
});

test("a registry, two servers of a user's file, calls; one server killed, and calls again", async () => {
  await Bun.write(
    join(folder, "arith.ts"),
    `import { RpcError } from "geerpc";
     import { half } from "./half.ts";
     console.log("loaded");
     export class Arith {
       sum({ a, b }: { a: number; b: number }): number { return a + b; }
       half(n: number): number { return half(n); }
       pid(): number { return process.pid; }
       fail(): never { throw new RpcError("not_found", "nobody", { details: { id: 7 } }); }
     }`,
  );
  await Bun.write(
    join(folder, "half.ts"),
    "export const half = (n: number): number => n / 2;",
  );
  const { registry, at } = await startRegistry();
  await using _registry = registry;
  await using first = start("server", "./arith.ts", ...at);
  await using second = start("server", "arith.ts", ...at);
  const addresses = [await first.listening(), await second.listening()].sort();

  expect(await call("Arith.sum", '{"a":1,"b":2}', ...at)).toBe(3);
  expect(await call("Arith.half", "3", ...at, "--codec", "json")).toBe(1.5);
  expect(await call("--list", ...at)).toEqual({
    services: { Arith: ["fail", "half", "pid", "sum"] },
    servers: addresses.map((address) => ({ address, services: ["Arith"] })),
  });
  const broadcast = await run("client", "Arith.pid", "--broadcast", ...at);
  expect(broadcast.code).toBe(0);
  const lines = broadcast.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines.map(({ server }) => server)).toEqual(addresses);
  expect(lines.map(({ reply }) => reply).sort()).toEqual(
    [first.pid, second.pid].sort(),
  );
  const failed = await run("client", "Arith.fail", ...at);
  expect(failed.code).toBe(1);
  expect(JSON.parse(failed.stderr)).toMatchObject({
    code: "not_found",
    details: { id: 7 },
  });

  // Killed, it stays listed for a while: calls must find the other one.
  first.signal("SIGKILL");
  await first.ended();
  for (let i = 0; i < 6; i++) {
    expect(await call("Arith.pid", ...at, "--mode", "round-robin")).toBe(
      second.pid,
    );
  }

  second.signal("SIGTERM");
  const ended = await second.ended();
  expect(ended.code).toBe(0);
  // The file's own line went to stderr: stdout has the one line of JSON.
  expect(ended.stdout.trim().split("\n")).toHaveLength(1);
  expect(ended.stderr).toContain("loaded");
  const list = await fetch(at[1] as string);
  expect(list.headers.get("X-Geerpc-Servers")).not.toContain(
    await second.listening(),
  );
  registry.signal("SIGTERM");
  expect((await registry.ended()).code).toBe(0);
});

test("a server that gets SIGTERM while another one runs loses no call and no stream", async () => {
  const { registry, at } = await startRegistry();
  await using _registry = registry;
  await using first = start("server", ...at);
  await using second = start("server", ...at);
  await Promise.all([first.listening(), second.listening()]);
  const options = { mode: "round-robin" };
  await using client = await connect<{ Foo: Foo }>(at[1] as string, options);

  // In turns: two of them at each server.
  const range = { from: 1, to: 100, everyMs: 5 };
  const streams = await Promise.all(
    Array.from({ length: 4 }, () => client.Foo.Count(range)),
  );
  const counted = Promise.all(streams.map(lastOf));
  const answered = new Map([
    [first.pid, 0],
    [second.pid, 0],
  ]);
  const errors: unknown[] = [];
  const { promise: bothAnswer, resolve } = Promise.withResolvers<void>();
  let isEnough = () => false;
  const callers = Array.from({ length: 32 }, async () => {
    while (!isEnough() && errors.length === 0) {
      try {
        const { pid } = await client.Foo.Whoami();
        answered.set(pid, (answered.get(pid) as number) + 1);
        if (Math.min(...answered.values()) === 100) resolve();
      } catch (thrown) {
        errors.push(thrown);
      }
    }
  });

  await Promise.race([bothAnswer, Promise.all(callers)]);
  first.signal("SIGTERM");
  const { code } = await first.ended();
  const ofSecond = answered.get(second.pid) as number;
  isEnough = () => (answered.get(second.pid) as number) > ofSecond + 1_000;
  await Promise.all(callers);
  expect({ code, errors }).toEqual({ code: 0, errors: [] });
  expect(await counted).toEqual([100, 100, 100, 100]);
});

async function lastOf(items: AsyncIterable<number>): Promise<number> {
  let last = 0;
  for await (const item of items) {
    expect(item).toBe(last + 1);
    last = item;
  }
  return last;
}

test("the folder's bunfig.toml and .env are not loaded", async () => {
  const trap = await mkdtemp(join(tmpdir(), "geerpc-trap-"));
  try {
    await Bun.write(join(trap, "bunfig.toml"), 'preload = ["./trap.ts"]');
    await Bun.write(
      join(trap, "trap.ts"),
      'console.log("preloaded"); process.exit(9);',
    );
    await Bun.write(join(trap, ".env"), "GEERPC_SERVER=nonsense\nTRAPPED=1");
    await Bun.write(
      join(trap, "env.ts"),
      'export const env = { get: (name: string) => process.env[name] ?? "unset" };',
    );
    const options = { cwd: trap };
    await using server = new Program([geerpc, "server", "env.ts"], options);
    const at = ["--server", await server.listening()];
    const trapped = ["client", "env.get", '"TRAPPED"', ...at];
    expect(await Program.run([geerpc, ...trapped], options)).toEqual({
      code: 0,
      stdout: '"unset"\n',
      stderr: "",
    });
    expect(
      (await Program.run([geerpc, "client", "Foo.Echo"], options)).code,
    ).toBe(2);
  } finally {
    await rm(trap, { recursive: true });
  }
});

describe("what cannot start", () => {
  test.each([
    ["throws.ts", 'throw new Error("boom");'],
    ["nothing.ts", "export const a = 1;"],
    ["syntax.ts", "export class {"],
    ["missing.ts", undefined],
  ])("%s: exit 1 and one line that names it", async (name, text) => {
    if (text !== undefined) await Bun.write(join(folder, name), text);
    const { code, stdout, stderr } = await run("server", name);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(stderr).toContain(name);
  });

  test("on a port in use: exit 1", async () => {
    await using server = start("server");
    const listening = await server.listening();
    expect((await run("server", "--listen", listening)).code).toBe(1);
    const port = listening.split(":").at(-1);
    expect((await run("registry", "--listen", `127.0.0.1:${port}`)).code).toBe(
      1,
    );
  });
});

describe("exit codes", () => {
  test("wrong usage is 2, no connection 3, out of time 4", async () => {
    await using server = start("server");
    const at = ["--server", await server.listening()];
    expect(
      (await run("client", "Foo.Sum", "--tiemout", "5s", ...at)).code,
    ).toBe(2);
    expect(
      (await run("client", "Foo.Sum", "--server", "127.0.0.1:1")).code,
    ).toBe(3);
    const slow = ["Foo.Sleep", '{"Num1":60,"Num2":0}', "--timeout", "50ms"];
    expect((await run("client", ...slow, ...at)).code).toBe(4);
  });

  test("a client that is interrupted: 130", async () => {
    await using server = start("server");
    const at = ["--server", await server.listening()];
    const endless = ["Foo.Sleep", '{"Num1":60,"Num2":0}', "--timeout", "0"];
    await using client = start("client", ...endless, ...at);
    await untilAsleep(at[1] as string);
    client.signal("SIGINT");
    expect(await client.ended()).toMatchObject({ code: 130, stdout: "" });
  });

  test("a server: SIGTERM lets calls finish and is 0, a second signal is 128 and its number", async () => {
    await using gentle = start("server");
    const at = ["--server", await gentle.listening()];
    await using client = start(
      "client",
      "Foo.Sleep",
      '{"Num1":0.5,"Num2":1}',
      ...at,
    );
    await untilAsleep(at[1] as string);
    gentle.signal("SIGTERM");
    expect(await client.ended()).toMatchObject({ code: 0, stdout: "1.5\n" });
    expect((await gentle.ended()).code).toBe(0);

    await using hasty = start("server");
    const to = ["--server", await hasty.listening()];
    await using stuck = start(
      "client",
      "Foo.Sleep",
      '{"Num1":60,"Num2":1}',
      "--timeout=0",
      ...to,
    );
    await untilAsleep(to[1] as string);
    hasty.signal("SIGTERM");
    await hasty.stderrLine(/SIGTERM/);
    hasty.signal("SIGINT");
    expect((await hasty.ended()).code).toBe(130);
    expect((await stuck.ended()).code).toBe(1);
  });
});

test("a large reply arrives whole in a slow pipe", async () => {
  await using server = start("server");
  const text = "x".repeat(3 * 2 ** 20);
  const { code, stdout } = await Program.run(
    [geerpc, "client", "Foo.Echo", "-", "--server", await server.listening()],
    { cwd: folder, stdin: JSON.stringify(text) },
  );
  expect(code).toBe(0);
  expect(stdout.length).toBe(text.length + 3);
});

describe("demo", () => {
  test("ends by itself with 0", async () => {
    const { code, stdout, stderr } = await run("demo");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.match(/call Foo\.Sum/g)).toHaveLength(5);
    expect(stdout).toContain("deadline_exceeded");
    expect(stdout).not.toContain("\u001b");
    for (const pid of pidsOf(stdout)) expect(isAlive(pid)).toBe(false);
  });

  test("interrupted: 130, and no process is left", async () => {
    await using demo = start("demo");
    await demo.stdoutLine(/call Foo\.Sum/);
    demo.signal("SIGINT");
    const { code, stdout } = await demo.ended();
    expect(code).toBe(130);
    const pids = pidsOf(stdout);
    expect(pids).toHaveLength(2);
    for (const pid of pids) expect(isAlive(pid)).toBe(false);
  });

  function pidsOf(text: string): number[] {
    return [...text.matchAll(/process (\d+)/g)].map(([, pid]) => Number(pid));
  }
});

/** Resolves when a call of Foo.Sleep runs on the server. */
async function untilAsleep(address: string): Promise<void> {
  const url = `${address.replace("tcp@", "http://")}/debug/geerpc`;
  const headers = { Accept: "application/json" };
  for (;;) {
    const report = (await (await fetch(url, { headers })).json()) as {
      services: { Foo: { Sleep: { inFlight: number } } };
    };
    if (report.services.Foo.Sleep.inFlight > 0) return;
  }
}
