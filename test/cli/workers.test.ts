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
import { workerSpawner } from "../../src/cli/workers/worker-process.ts";
import { Client } from "../../src/client/client.ts";
import type { DebugReport } from "../../src/server/debug/report.ts";
import { buildExecutable, isAlive, Program } from "../support/geerpc.ts";
import { startRegistry } from "./in-process.ts";

// `geerpc server --workers` with real processes.

setDefaultTimeout(30_000);

const main = join(import.meta.dir, "../../src/main.ts");
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "geerpc-workers-"));
});
afterAll(() => rm(folder, { recursive: true }));

function start(...args: string[]): Program {
  const command = [process.execPath, main, "server", "--log=json", ...args];
  return new Program(command, { cwd: folder });
}

type Line = Record<string, unknown>;

/** Its log lines of an event. */
function logged(program: Program, event: string): Line[] {
  return program.stderr
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Line)
    .filter((line) => line["event"] === event);
}

/** A connection to each of so many workers, by their process ids. */
async function connectionTo(
  address: string,
  count: number,
): Promise<Map<number, Client>> {
  const clients = new Map<number, Client>();
  while (clients.size < count) {
    const client = await Client.dial(address);
    const { pid } = (await client.call("Foo.Whoami")) as { pid: number };
    if (clients.has(pid)) await client.close();
    else clients.set(pid, client);
  }
  return clients;
}

async function closeAll(clients: Map<number, Client>): Promise<void> {
  await Promise.all([...clients.values()].map((client) => client.close()));
}

async function figures(address: string): Promise<DebugReport> {
  const url = `${address.replace("tcp@", "http://")}/debug/geerpc`;
  const headers = { Accept: "application/json" };
  return (await (await fetch(url, { headers })).json()) as DebugReport;
}

/** Resolves when so many calls of Foo.Sleep run. */
async function untilAsleep(address: string, count: number): Promise<void> {
  for (;;) {
    const { services } = await figures(address);
    if (services["Foo"]?.["Sleep"]?.inFlight === count) return;
  }
}

/** Resolves when they have ended, whether or not somebody has noticed: init takes its time. */
async function untilGone(pids: Iterable<number>): Promise<void> {
  for (const pid of pids) {
    while (await runs(pid)) await new Promise((done) => setImmediate(done));
  }
}

async function runs(pid: number): Promise<boolean> {
  const stat = await Bun.file(`/proc/${pid}/stat`)
    .text()
    .catch(() => ") Z");
  return !/\) [ZX][^)]*$/.test(stat);
}

test("all of them serve, each is a process of its own, and one entry stands for them", async () => {
  await using registry = await startRegistry();
  await using server = start("--workers=3", "--registry", registry.listening);
  const address = await server.listening();
  const clients = await connectionTo(address, 3);
  expect(clients.has(server.pid)).toBe(false);
  const answer = await fetch(registry.listening);
  expect(answer.headers.get("X-Geerpc-Servers")).toBe(address);
  for (const client of clients.values()) {
    expect(await client.call("Foo.Whoami")).toMatchObject({ address });
  }
  expect(logged(server, "service")).toMatchObject([{ worker: 1 }]);
  expect(logged(server, "registered")).toHaveLength(1);
  await closeAll(clients);
  server.signal("SIGTERM");
  const { code, stdout } = await server.ended();
  expect(code).toBe(0);
  expect(stdout).toBe(`${JSON.stringify({ listening: address })}\n`);
  const after = await fetch(registry.listening);
  expect(after.headers.get("X-Geerpc-Servers")).toBe("");
  for (const pid of clients.keys()) expect(isAlive(pid)).toBe(false);
});

test("the debug page of each is the sum of all", async () => {
  await using server = start("--workers=2");
  const address = await server.listening();
  const clients = await connectionTo(address, 2);
  const before = await figures(address);
  let calls = 0;
  for (const client of clients.values()) {
    calls += 3;
    for (let n = calls; n > 0; n--) await client.call("Foo.Echo", n);
  }
  const { services, server: sum } = await figures(address);
  expect(services["Foo"]?.["Echo"]).toMatchObject({ calls: 9, args: "number" });
  expect(services["Foo"]?.["Whoami"]).toEqual(
    before.services["Foo"]?.["Whoami"] as never,
  );
  expect(sum).toMatchObject({ pid: server.pid, addresses: [address] });
  expect(sum.workers?.map(({ pid }) => pid).sort()).toEqual(
    [...clients.keys()].sort(),
  );
  const own = sum.workers?.map((each) => "calls" in each && each.calls);
  const whoamis = services["Foo"]?.["Whoami"]?.calls ?? NaN;
  expect(own?.reduce((one, other) => Number(one) + Number(other), 0)).toBe(
    9 + whoamis,
  );
  await closeAll(clients);
});

test("one that hangs is named on the debug page, and in no sum", async () => {
  await using server = start("--workers=2");
  const address = await server.listening();
  const clients = await connectionTo(address, 2);
  const [[hung, client]] = [...clients] as [[number, Client]];
  for (const each of clients.values()) await each.call("Foo.Echo", 1);
  process.kill(hung, "SIGSTOP");
  try {
    // A new connection may go to the one that hangs.
    const others = [...clients.keys()].filter((pid) => pid !== hung);
    let report: DebugReport | undefined;
    while (report === undefined) {
      const signal = AbortSignal.timeout(2_500);
      const url = `${address.replace("tcp@", "http://")}/debug/geerpc`;
      const headers = { Accept: "application/json", Connection: "close" };
      report = await fetch(url, { headers, signal }).then(
        (answer) => answer.json() as Promise<DebugReport>,
        () => undefined,
      );
    }
    expect(report.services["Foo"]?.["Echo"]?.calls).toBe(1);
    const states = report.server.workers?.map(({ pid, state }) => [pid, state]);
    expect(new Map(states as [number, string][])).toEqual(
      new Map([
        [hung, "silent"],
        [others[0] as number, "serving"],
      ]),
    );
  } finally {
    process.kill(hung, "SIGCONT");
  }
  expect(await client.call("Foo.Echo", 2)).toBe(2);
  await closeAll(clients);
});

describe("a worker that is killed", () => {
  test("is replaced, and the calls of the others go on", async () => {
    await using server = start("--workers=2");
    const address = await server.listening();
    const clients = await connectionTo(address, 2);
    const [[victim, lost], [survivor, kept]] = [...clients] as [
      [number, Client],
      [number, Client],
    ];
    const sleep = { Num1: 1, Num2: 6 };
    const [failing, going] = [lost, kept].map((client) =>
      client.call("Foo.Sleep", sleep).catch((error: unknown) => error),
    );
    await untilAsleep(address, 2);
    process.kill(victim, "SIGKILL");
    expect(await failing).toMatchObject({ code: "unavailable" });
    await server.stderrLine(/"event":"worker-lost"/);
    const again = await connectionTo(address, 2);
    expect(again.has(survivor)).toBe(true);
    expect(again.has(victim)).toBe(false);
    expect(await going).toBe(7);
    const [started] = logged(server, "worker-lost");
    expect(started).toMatchObject({ pid: victim, signal: "SIGKILL" });
    const replaced = logged(server, "worker-started").filter(
      ({ worker }) => worker === started?.["worker"],
    );
    const [other] = [...again.keys()].filter((pid) => pid !== survivor);
    expect(replaced.map(({ pid }) => pid)).toEqual([victim, other]);
    await closeAll(clients);
    await closeAll(again);
  });

  test("is told of the drain like the others when another has taken its place", async () => {
    await using server = start("--workers=1");
    const address = await server.listening();
    const [[first, client]] = [...(await connectionTo(address, 1))] as [
      [number, Client],
    ];
    process.kill(first, "SIGKILL");
    await server.stderrLine(/worker-started[^]*worker-started/);
    const [[second, next]] = [...(await connectionTo(address, 1))] as [
      [number, Client],
    ];
    expect(second).not.toBe(first);
    await closeAll(
      new Map([
        [first, client],
        [second, next],
      ]),
    );
    server.signal("SIGTERM");
    expect((await server.ended()).code).toBe(0);
  });
});

describe("the end", () => {
  test("lets every call finish, in every worker", async () => {
    await using server = start("--workers=2");
    const address = await server.listening();
    const clients = await connectionTo(address, 2);
    const calls = [...clients.values()].flatMap((client) =>
      [1, 2, 3].map((Num2) => client.call("Foo.Sleep", { Num1: 1, Num2 })),
    );
    await untilAsleep(address, 6);
    server.signal("SIGTERM");
    expect(await Promise.all(calls)).toEqual([2, 3, 4, 2, 3, 4]);
    expect((await server.ended()).code).toBe(0);
    await closeAll(clients);
  });

  test("signals of a terminal reach all at once, and the parent decides", async () => {
    await using server = start("--workers=2");
    const address = await server.listening();
    const clients = await connectionTo(address, 2);
    const calls = [...clients.values()].map((client) =>
      client.call("Foo.Sleep", { Num1: 1, Num2: 1 }),
    );
    await untilAsleep(address, 2);
    for (const pid of clients.keys()) {
      process.kill(pid, "SIGINT");
      process.kill(pid, "SIGINT");
    }
    server.signal("SIGINT");
    expect(await Promise.all(calls)).toEqual([2, 2]);
    expect((await server.ended()).code).toBe(0);
    await closeAll(clients);
  });

  test("a second signal ends all at once", async () => {
    await using server = start("--workers=2");
    const address = await server.listening();
    const clients = await connectionTo(address, 2);
    const calls = [...clients.values()].map((client) =>
      client
        .call("Foo.Sleep", { Num1: 20, Num2: 1 }, { timeoutMs: 0 })
        .catch((error: unknown) => error),
    );
    await untilAsleep(address, 2);
    server.signal("SIGTERM");
    await server.stderrLine(/"event":"stopping"/);
    server.signal("SIGTERM");
    expect((await server.ended()).code).toBe(143);
    for (const call of calls) {
      expect(await call).toMatchObject({ code: "unavailable" });
    }
    await untilGone(clients.keys());
    await closeAll(clients);
  });

  test("workers whose parent is killed let their calls finish, and end", async () => {
    await using server = start("--workers=2");
    const address = await server.listening();
    const clients = await connectionTo(address, 2);
    const calls = [...clients.values()].map((client) =>
      client.call("Foo.Sleep", { Num1: 1, Num2: 1 }),
    );
    await untilAsleep(address, 2);
    server.signal("SIGKILL");
    await server.exited;
    expect(await Promise.all(calls)).toEqual([2, 2]);
    await untilGone(clients.keys());
    const next = start("--workers=2", "--listen", address);
    expect(await next.listening()).toBe(address);
    await next[Symbol.asyncDispose]();
    await closeAll(clients);
  });
});

describe("a file", () => {
  test("that throws: exit 1, and one line, as without workers", async () => {
    await Bun.write(join(folder, "bad.ts"), "throw new Error('no');");
    const results = [];
    for (const workers of [[], ["--workers=3"]]) {
      await using server = start("bad.ts", ...workers);
      const { code, stdout } = await server.ended();
      const lines = logged(server, "start-failed");
      results.push({ code, stdout, lines: lines.map(({ code }) => code) });
    }
    const failed = { code: 1, stdout: "", lines: ["failed_precondition"] };
    expect(results).toEqual([failed, failed]);
  });

  test("that ends the process: its exit code", async () => {
    await Bun.write(join(folder, "exits.ts"), "process.exit(5);");
    await using server = start("exits.ts", "--workers=2");
    expect((await server.ended()).code).toBe(5);
  });

  test("whose service throws where nobody catches it: another process takes its place", async () => {
    await Bun.write(
      join(folder, "faulty.ts"),
      `export class Faulty {
         pid() { return process.pid; }
         fault() { queueMicrotask(() => { throw new Error("oh"); }); }
       }`,
    );
    await using server = start("faulty.ts", "--workers=1");
    const address = await server.listening();
    const client = await Client.dial(address);
    const first = await client.call("Faulty.pid");
    await client.call("Faulty.fault").catch(() => {});
    await server.stderrLine(/worker-started[^]*worker-started/);
    await client.close();
    const next = await Client.dial(address);
    expect(await next.call("Faulty.pid")).not.toBe(first);
    await next.close();
    const events = ["uncaught", "worker-lost"].map(
      (event) => logged(server, event).length,
    );
    expect(events).toEqual([1, 1]);
  });
});

test("the environment's twins are the parent's, and its services see them", async () => {
  await Bun.write(
    join(folder, "env.ts"),
    `console.log("loaded");
     export class Env { workers() { return process.env.GEERPC_WORKERS; } }`,
  );
  await using server = new Program(
    [process.execPath, main, "server", "env.ts"],
    { cwd: folder, env: { GEERPC_WORKERS: "2" } },
  );
  const address = await server.listening();
  const client = await Client.dial(address);
  expect(await client.call("Env.workers")).toBe("2");
  await client.close();
  // What the file writes to the console is no result.
  expect(server.stdout).toBe(`${JSON.stringify({ listening: address })}\n`);
  expect(server.stderr.match(/^loaded$/gm)).toHaveLength(2);
});

test("a process that is gone hears nothing", async () => {
  const worker = workerSpawner(process.env)(() => {});
  worker.kill();
  expect(await worker.ended).toEqual({ exitCode: null, signal: "SIGKILL" });
  worker.send({ kind: "drain" });
});

test("the executable's workers are itself", async () => {
  const { path, remove } = await buildExecutable();
  try {
    await using server = new Program([path, "server", "--workers=2"], {
      cwd: folder,
    });
    const clients = await connectionTo(await server.listening(), 2);
    await closeAll(clients);
    server.signal("SIGTERM");
    expect((await server.ended()).code).toBe(0);
    for (const pid of clients.keys()) expect(isAlive(pid)).toBe(false);
  } finally {
    await remove();
  }
});
