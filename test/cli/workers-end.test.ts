import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  callsOf,
  closeAll,
  connectionTo,
  serve,
  untilAsleep,
  untilGone,
} from "./worker-programs.ts";

// `geerpc server --workers` with real processes: how it ends.

setDefaultTimeout(30_000);

describe("the end", () => {
  test("lets every call finish, in every worker", async () => {
    await using server = serve("--workers=2");
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
    await using server = serve("--workers=2");
    const address = await server.listening();
    const clients = await connectionTo(address, 2);
    const { calls } = await callsOf(clients, address);
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
    await using server = serve("--workers=2");
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
    await using server = serve("--workers=2");
    const address = await server.listening();
    const clients = await connectionTo(address, 2);
    const { calls } = await callsOf(clients, address);
    server.signal("SIGKILL");
    await server.exited;
    expect(await Promise.all(calls)).toEqual([2, 2]);
    await untilGone(clients.keys());
    const next = serve("--workers=2", "--listen", address);
    expect(await next.listening()).toBe(address);
    await next[Symbol.asyncDispose]();
    await closeAll(clients);
  });
});
