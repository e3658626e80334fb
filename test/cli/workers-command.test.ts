import { describe, expect, test } from "bun:test";
import { run } from "../../src/cli/root.ts";
import { Server } from "../../src/server/server.ts";
import { supervise } from "../../src/cli/workers/supervise.ts";
import type { ServerValues } from "../../src/cli/server.ts";
import { FakeIo } from "../support/fake-io.ts";
import { settle } from "../support/manual-clock.ts";
import { FakeProcesses } from "./fake-workers.ts";

// `geerpc server --workers` with workers that are none: what the command
// itself does, and in which order.

const values = {
  ...{ listen: "tcp@127.0.0.1:0", drainTimeout: 30_000 },
  ...{ logLevel: "info", log: "json" },
} as ServerValues;

function start(given: Partial<ServerValues> = {}) {
  const io = new FakeIo();
  const processes = new FakeProcesses();
  const ended = supervise(
    {
      ...{ count: 2, files: [], description: { zone: "a" } },
      values: { ...values, ...given },
    },
    io,
    processes.spawn,
  );
  /** Resolves when they were started. */
  const spawned = async () => {
    while (processes.list.length < 2) await settle();
  };
  const events = () =>
    io.stderr.lines.map(
      (line) => (JSON.parse(line) as { event: string }).event,
    );
  return { io, processes, ended, spawned, events };
}

/** What a registry was asked, each with what there was to see at that moment. */
function fakeRegistry(look: () => unknown) {
  const requests: unknown[] = [];
  const server = Bun.serve({
    ...{ hostname: "127.0.0.1", port: 0, development: false },
    async fetch(request) {
      const { method, headers } = request;
      const address = headers.get("X-Geerpc-Server");
      const body = method === "POST" ? await request.json() : undefined;
      requests.push({ method, address, body, seen: look() });
      return new Response();
    },
  });
  return {
    url: `${server.url.origin}/_geerpc_/registry`,
    requests,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

describe("in order", () => {
  test("it registers once, for all, and leaves before they drain", async () => {
    let told: () => unknown = () => undefined;
    await using registry = fakeRegistry(() => told());
    const { io, processes, ended, spawned } = start({
      registry: [registry.url],
      advertise: "tcp@10.0.0.1:7",
    });
    told = () =>
      processes.list.map((each) => each.told.map(({ kind }) => kind));
    await spawned();
    processes.at(0).listen();
    await settle();
    expect(registry.requests).toEqual([]);
    processes.at(1).listen();
    expect(await io.listening()).toBe("tcp@127.0.0.1:7");
    io.signal("SIGTERM");
    while (processes.at(1).count("drain") === 0) await settle();
    processes.at(0).end(0);
    processes.at(1).end(0);
    expect(await ended).toBe(0);
    const address = "tcp@10.0.0.1:7";
    const body = { services: ["Foo"], zone: "a" };
    const ready = ["start", "ready"];
    expect(registry.requests).toEqual([
      { method: "POST", address, body, seen: [["start"], ["start"]] },
      { method: "DELETE", address, body: undefined, seen: [ready, ready] },
    ]);
    expect(told()).toEqual([
      [...ready, "drain"],
      [...ready, "drain"],
    ]);
    expect(io.stdout.lines).toHaveLength(1);
    expect(io.listeners).toBe(0);
  });

  test("told to end while it registers, it prints nothing", async () => {
    let signal = () => {};
    await using registry = fakeRegistry(() => signal());
    const { io, processes, ended, spawned } = start({
      registry: [registry.url],
    });
    signal = () => {
      // At the first request, which registers.
      if (registry.requests.length === 0) io.signal("SIGTERM");
    };
    await spawned();
    for (const process of processes.list) process.listen();
    while (processes.at(1).count("drain") === 0) await settle();
    for (const process of processes.list) process.end(0);
    await ended;
    expect(io.stdout.text).toBe("");
  });

  test.each([true, false])(
    "with a registry (%p) they are ready when it knows the server",
    async (isGiven) => {
      await using registry = fakeRegistry(() => {});
      const { io, processes, ended, spawned } = start(
        isGiven ? { registry: [registry.url] } : {},
      );
      await spawned();
      for (const process of processes.list) {
        expect(process.told).toMatchObject([{ isReady: !isGiven }]);
        process.listen();
      }
      await io.listening();
      const told = processes.list.map((each) => each.count("ready"));
      expect(told).toEqual(isGiven ? [1, 1] : [0, 0]);
      io.signal("SIGTERM");
      while (processes.at(1).count("drain") === 0) await settle();
      for (const process of processes.list) process.end(0);
      expect(await ended).toBe(0);
    },
  );

  test("what cannot be registered is a start that fails, and no worker stays", async () => {
    const { io, processes, ended, spawned, events } = start({
      registry: ["http://127.0.0.1:9/"],
      advertise: "tcp@:0",
      registryTokenFile: "short",
    });
    await spawned();
    for (const process of processes.list) process.listen();
    expect(await ended).toBe(1);
    expect(events().at(-1)).toBe("start-failed");
    expect(processes.list.map(({ isKilled }) => isKilled)).toEqual([
      true,
      true,
    ]);
    expect(io.stdout.text).toBe("");
  });

  test("a worker that does not end well is exit 1", async () => {
    const { io, processes, ended, spawned } = start();
    await spawned();
    for (const process of processes.list) process.listen();
    await io.listening();
    io.signal("SIGINT");
    await settle();
    processes.at(0).end(0);
    processes.at(1).end(1);
    expect(await ended).toBe(1);
  });

  test("told to end before they listen, it prints nothing", async () => {
    const { io, processes, ended, spawned } = start();
    await spawned();
    io.signal("SIGTERM");
    await settle();
    for (const process of processes.list) {
      expect(process.count("drain")).toBe(1);
      process.end(0);
    }
    expect(await ended).toBe(0);
    expect(io.stdout.text).toBe("");
  });

  test("a second signal kills them and ends it", async () => {
    const { io, processes, ended, spawned } = start();
    await spawned();
    for (const process of processes.list) process.listen();
    await io.listening();
    io.signal("SIGTERM");
    await settle();
    expect(io.exits).toEqual([]);
    io.signal("SIGTERM");
    expect(io.exits).toEqual([143]);
    expect(processes.list.map(({ isKilled }) => isKilled)).toEqual([
      true,
      true,
    ]);
    await ended;
  });
});

test("when no worker starts it ends as the first one did, with one line", async () => {
  const { io, processes, ended, spawned, events } = start();
  await spawned();
  const fields = { event: "start-failed" };
  for (const process of processes.list) {
    const line = { level: "error", message: "no", fields } as const;
    process.say({ kind: "start-failed", line });
    process.end(5);
  }
  expect(await ended).toBe(5);
  expect(events()).toEqual(["start-failed"]);
  expect(io.stdout.text).toBe("");
  expect(io.listeners).toBe(0);
});

describe("the port", () => {
  /** Whether somebody who does not share gets it. */
  async function isFree(address: string): Promise<boolean> {
    await using server = new Server();
    return await server.listen(address).then(
      () => true,
      () => false,
    );
  }

  test("a free one is one for all, and held until they have it", async () => {
    const { io, processes, ended, spawned } = start();
    await spawned();
    const listen = processes.list.map(({ told: [first] }) =>
      first?.kind === "start" ? first.listen : "",
    );
    expect(listen[0]).toMatch(/^tcp@127\.0\.0\.1:[1-9]\d*$/);
    expect(listen[1]).toBe(listen[0] as string);
    expect(await isFree(listen[0] as string)).toBe(false);
    await using worker = new Server();
    await worker.listen(listen[0], { reusePort: true });
    for (const process of processes.list) process.listen();
    await io.listening();
    await worker.close();
    expect(await isFree(listen[0] as string)).toBe(true);
    io.signal("SIGTERM");
    await settle();
    for (const process of processes.list) process.end(0);
    await ended;
  });

  test.each([true, false])(
    "one in use is refused, shared (%p) or not",
    async (reusePort) => {
      await using server = new Server();
      const listen = await server.listen("tcp@127.0.0.1:0", { reusePort });
      const { io, processes, ended, events } = start({ listen });
      expect(await ended).toBe(1);
      expect(events()).toEqual(["start-failed"]);
      expect(io.stdout.text).toBe("");
      expect(processes.list).toEqual([]);
      expect(io.listeners).toBe(0);
    },
  );

  test("one that is asked for is let go before they take it", async () => {
    await using server = new Server();
    const listen = await server.listen();
    await server.close();
    const { io, processes, ended, spawned } = start({ listen });
    await spawned();
    expect(processes.at(0).told).toMatchObject([{ listen }]);
    expect(await isFree(listen)).toBe(true);
    for (const process of processes.list) process.listen();
    await io.listening();
    io.signal("SIGTERM");
    await settle();
    for (const process of processes.list) process.end(0);
    await ended;
  });

  test.each([
    [["--workers", "2", "--listen", "unix@/tmp/geerpc-workers"]],
    [["--workers", "0"]],
    [["--workers", "257"]],
    [["--workers", "many"]],
  ])("wrong usage: %j", async (args) => {
    const io = new FakeIo();
    expect(await run(["server", ...args], io)).toBe(2);
    expect(io.stdout.text).toBe("");
  });
});
