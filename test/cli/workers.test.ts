import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { workerSpawner } from "../../src/cli/workers/worker-process.ts";
import type { Client } from "../../src/client/client.ts";
import type { DebugReport } from "../../src/server/debug/report.ts";
import { isAlive } from "../support/geerpc.ts";
import { startRegistry } from "./in-process.ts";
import {
  closeAll,
  connectionTo,
  figures,
  logged,
  serve,
  untilAsleep,
} from "./worker-programs.ts";

// `geerpc server --workers` with real processes: while it serves.

setDefaultTimeout(30_000);

test("all of them serve, each is a process of its own, and one entry stands for them", async () => {
  await using registry = await startRegistry();
  await using server = serve("--workers=3", "--registry", registry.listening);
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
  await using server = serve("--workers=2");
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
  await using server = serve("--workers=2");
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
    await using server = serve("--workers=2");
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
    await using server = serve("--workers=1");
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

test("a process that is gone hears nothing", async () => {
  const worker = workerSpawner(process.env)(() => {});
  worker.kill();
  expect(await worker.ended).toEqual({ exitCode: null, signal: "SIGKILL" });
  worker.send({ kind: "drain" });
});
