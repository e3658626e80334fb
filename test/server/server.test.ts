import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "../../src/client/client.ts";
import { RpcError } from "../../src/errors.ts";
import { Server, type ServerOptions } from "../../src/server/server.ts";
import type { Context, Peer as Caller } from "../../src/service/context.ts";
import type { Interceptor } from "../../src/service/interceptor.ts";
import { parseAddress } from "../../src/transport/address.ts";
import { dialPipe } from "../../src/transport/dial.ts";
import { memoryPipe } from "../../src/transport/memory.ts";
import { neverPings } from "../session/two-ends.ts";
import { settle } from "../support/manual-clock.ts";
import {
  Arith,
  jsonOption,
  jsonRequest,
  Peer,
  setUp,
  watch,
} from "./set-up.ts";

/** What a promise is rejected with. */
function failure(promise: Promise<unknown>): Promise<RpcError> {
  return promise.then(
    () => expect.unreachable("it did not fail"),
    (thrown) => thrown as RpcError,
  ) as Promise<RpcError>;
}

describe("connections", () => {
  test("are counted from accept to their end", async () => {
    const { server, dial } = setUp();
    const first = dial();
    const second = dial();
    expect(await first.call("Arith.sum", { a: 1, b: 2 })).toBe(3);
    expect(server.connectionCount).toBe(2);
    await first.close();
    expect(server.connectionCount).toBe(1);
    await second.close();
    expect(server.connectionCount).toBe(0);
  });

  test("over the limit are told so, at once, and those below go on", async () => {
    const { server, dial, connect, refusals } = setUp({
      limits: { maxConnections: 1 },
    });
    const first = dial();
    await first.call("Arith.sum", { a: 1, b: 2 });
    const peer = connect();
    expect(await peer.refusal()).toBe("resource_exhausted");
    const error = await failure(dial().call("Arith.sum", { a: 1, b: 2 }));
    expect(error.sent).toBe(false);
    expect(refusals()).toEqual(["resource_exhausted", "resource_exhausted"]);
    expect(await first.call("Arith.sum", { a: 1, b: 2 })).toBe(3);
    peer.pipe.shutdown();
    await peer.closed();
    await first.close();
    expect(server.connectionCount).toBe(0);
    expect(await dial().call("Arith.sum", { a: 1, b: 2 })).toBe(3);
  });

  test("over the limit are refused once, whatever they said before", async () => {
    const { connect } = setUp({ limits: { maxConnections: 0 } });
    const peer = connect(jsonOption + jsonRequest("Arith.sum", 1, {}));
    expect(await peer.refusal()).toBe("resource_exhausted");
    await settle();
    expect(peer.text.split("\n")).toHaveLength(2);
  });

  test("far over the limit are cut without a word", async () => {
    const { server, connect } = setUp({ limits: { maxConnections: 1 } });
    const flood = Array.from({ length: 100 }, () => connect("", true));
    await settle();
    expect(server.connectionCount).toBe(33);
    expect(flood.filter(({ text }) => text !== "")).toHaveLength(32);
    expect(flood.filter(({ ear }) => ear.closes.length > 0)).toHaveLength(67);
  });
});

describe("draining", () => {
  test("lets calls finish, refuses new ones as not started, then closes", async () => {
    const { server, gate, dial } = setUp();
    const client = dial();
    const running = client.call("Gate.wait");
    await gate._entered();
    const drained = watch(server.drain());
    const error = await failure(client.call("Arith.sum", { a: 1, b: 2 }));
    expect([error.code, error.sent]).toEqual(["unavailable", false]);
    expect(drained.isDone).toBe(false);
    gate.open();
    expect(await running).toBe("opened");
    await client.closed;
    await settle();
    expect(drained.isDone).toBe(true);
    expect(server.methods.get("Arith")?.[0]?.calls).toBe(0);
  });

  test("refuses those who come, in their codec's own error", async () => {
    const { server, gate, dial, connect } = setUp();
    const early = connect();
    const running = dial().call("Gate.wait");
    await gate._entered();
    const drained = server.drain();
    early.send(jsonOption);
    const [header = ""] = await early.lines(2);
    expect(JSON.parse(header)).toMatchObject({ Seq: 0, Code: "unavailable" });
    early.pipe.shutdown();
    const late = connect();
    expect(await late.refusal()).toBe("unavailable");
    late.pipe.shutdown();
    gate.open();
    await running;
    await drained;
  });

  test("of a time that is none is an invalid argument, and drains nothing", async () => {
    const { server, clock, dial } = setUp();
    const client = dial();
    for (const wrong of [NaN, -1, "5s", null] as number[]) {
      expect((await failure(server.drain(wrong))).code).toBe(
        "invalid_argument",
      );
    }
    expect(await client.call("Arith.sum", { a: 1, b: 2 })).toBe(3);
    const drained = server.drain(0);
    await clock.advance(0);
    await drained;
  });

  test("ends after its time; handlers that run on are aborted", async () => {
    const { server, gate, clock, dial } = setUp();
    const running = failure(dial().call("Gate.wait"));
    await gate._entered();
    const drained = watch(server.drain(1_000));
    await clock.advance(999);
    expect(drained.isDone).toBe(false);
    expect(gate.signals[0]?.aborted).toBe(false);
    await clock.advance(1);
    expect((await running).sent).toBe(true);
    expect(gate.signals[0]?.aborted).toBe(true);
    await settle();
    expect(drained.isDone).toBe(true);
    expect(clock.timers).toBe(0);
  });

  test("twice, and closing meanwhile, all end together", async () => {
    const { server, gate, clock, dial } = setUp();
    const running = failure(dial().call("Gate.wait"));
    const posted = server.fetch(
      new Request("http://a/rpc/Gate.wait", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
      }),
    );
    await gate._entered();
    const ends = [server.drain(), server.drain()].map(watch);
    await settle();
    expect(ends.map(({ isDone }) => isDone)).toEqual([false, false]);
    await server.close();
    await settle();
    expect(ends.map(({ isDone }) => isDone)).toEqual([true, true]);
    expect((await running).code).toBe("unavailable");
    expect((await posted).status).toBe(503);
    await server.drain();
    expect(clock.timers).toBe(0);
  });

  test("twice with one call by POST lets both end with it", async () => {
    const { server, gate, clock } = setUp();
    const posted = server.fetch(
      new Request("http://a/rpc/Gate.wait", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
      }),
    );
    await gate._entered();
    const ends = [server.drain(), server.drain()];
    gate.open();
    expect(await (await posted).json()).toBe("opened");
    await Promise.all(ends);
    expect(clock.timers).toBe(0);
  });

  test("ends at once where nothing runs", async () => {
    const { server, dial, clock } = setUp();
    const client = dial();
    await client.call("Arith.sum", { a: 1, b: 2 });
    await server.drain();
    expect(client.isAvailable).toBe(false);
    expect(clock.timers).toBe(0);
  });
});

describe("closing", () => {
  test("ends sessions and handshakes, and tells whoever had begun", async () => {
    const { server, connect, dial, clock } = setUp();
    const silent = connect();
    const half = connect();
    half.send(jsonOption.slice(0, 10));
    const client = dial();
    await client.call("Arith.sum", { a: 1, b: 2 });
    const closed = server.close();
    await silent.closed();
    expect(silent.text).toBe("");
    expect(await half.refusal()).toBe("unavailable");
    half.pipe.shutdown();
    await closed;
    expect(client.isAvailable).toBe(false);
    expect(server.connectionCount).toBe(0);
    expect(clock.timers).toBe(0);
  });

  test("cuts who does not go within 5 s", async () => {
    const { server, connect, clock } = setUp();
    const peer = connect(jsonOption, true);
    await settle();
    const closed = watch(server.close());
    await clock.advance(4_999);
    expect(closed.isDone).toBe(false);
    expect(peer.ear.closes).toHaveLength(0);
    await clock.advance(1);
    expect(closed.isDone).toBe(true);
    expect(peer.ear.closes).toHaveLength(1);
    expect(server.connectionCount).toBe(0);
    expect(clock.timers).toBe(0);
  });

  test("is one, however often it is asked for", () => {
    const { server } = setUp();
    const first = server.close();
    expect(server.close()).toBe(first);
    return first;
  });

  test("turns away who comes later", async () => {
    const { server, connect } = setUp();
    await server.close();
    const peer = connect();
    expect(await peer.refusal()).toBe("unavailable");
    expect((await failure(server.listen())).code).toBe("unavailable");
  });
});

describe("services' hooks", () => {
  function record(server: Server) {
    const steps: string[] = [];
    for (const name of ["A", "B"]) {
      server.register(
        new (class {
          async start() {
            await settle();
            steps.push(`start ${name}`);
          }
          method() {}
          async [Symbol.asyncDispose]() {
            await settle();
            steps.push(`dispose ${name}`);
          }
        })(),
        name,
      );
    }
    return steps;
  }

  test("run before listening and, in reverse, after the end", async () => {
    const steps: string[] = [];
    const server = new Server({
      onEvent: ({ kind }) => void steps.push(kind),
    });
    const hooks = record(server);
    await server.listen();
    expect(hooks).toEqual(["start A", "start B"]);
    expect(steps).toEqual(["listening"]);
    await server.listen();
    expect(hooks).toHaveLength(2);
    await Promise.all([server.drain(), server.close()]);
    expect(hooks.slice(2)).toEqual(["dispose B", "dispose A"]);
  });

  test("a service that was never started is disposed of, too", async () => {
    const { server } = setUp();
    const hooks = record(server);
    await server.close();
    expect(hooks).toEqual(["dispose B", "dispose A"]);
  });

  test("nothing is disposed of while it starts", async () => {
    const { server } = setUp();
    const hooks = record(server);
    const started = failure(server.listen());
    await server.close();
    expect(hooks).toEqual(["start A", "start B", "dispose B", "dispose A"]);
    expect((await started).code).toBe("unavailable");
  });

  test("a start that fails keeps the server from listening", async () => {
    const server = new Server();
    const fault = new Error("no database");
    let disposals = 0;
    server.register(
      new (class {
        start() {
          throw fault;
        }
        method() {}
        [Symbol.asyncDispose]() {
          disposals++;
        }
      })(),
      "A",
    );
    expect(await failure(server.listen())).toBe(fault as RpcError);
    await server.close();
    expect(disposals).toBe(1);
  });

  test("calls that run end before their service is disposed of", async () => {
    const { server, gate, dial } = setUp();
    const hooks = record(server);
    const running = dial().call("Gate.wait");
    await gate._entered();
    const drained = server.drain();
    await settle();
    expect(hooks).toEqual([]);
    gate.open();
    await running;
    await drained;
    expect(hooks).toEqual(["dispose B", "dispose A"]);
  });
});

describe("listening", () => {
  test("on several addresses at a time", async () => {
    await using server = new Server();
    server.register(new Arith());
    const addresses = [await server.listen(), await server.listen()];
    expect(new Set(addresses).size).toBe(2);
    for (const address of addresses) {
      await using client = await Client.dial(address);
      expect(await client.call("Arith.sum", { a: 1, b: 2 })).toBe(3);
    }
  });

  test("on an address that is taken fails, and harms nobody", async () => {
    await using server = new Server();
    server.register(new Arith());
    const address = await server.listen();
    await using other = new Server();
    expect((await failure(other.listen(address))).code).toBe("unavailable");
    expect((await failure(server.listen(address))).code).toBe("unavailable");
    await using client = await Client.dial(address);
    expect(await client.call("Arith.sum", { a: 1, b: 2 })).toBe(3);
  });

  test("on what is no address fails before services start", async () => {
    const { server } = setUp();
    let starts = 0;
    server.register({ method() {}, start: () => void starts++ }, "A");
    expect((await failure(server.listen("tcp@nowhere"))).code).toBe(
      "invalid_argument",
    );
    expect(starts).toBe(0);
  });

  test("and closing leaves neither port nor file behind", async () => {
    const folder = mkdtempSync(join(tmpdir(), "server-test-"));
    const path = join(folder, "rpc.sock");
    const server = new Server();
    server.register(new Arith());
    const address = await server.listen();
    await server.listen(`unix@${path}`);
    expect(existsSync(path)).toBe(true);
    await server.close();
    expect(existsSync(path)).toBe(false);
    expect((await failure(Client.dial(address))).code).toBe("unavailable");
    rmSync(folder, { recursive: true });
  });

  test("that is still under way when the server closes leaves nothing", async () => {
    const folder = mkdtempSync(join(tmpdir(), "server-test-"));
    for (let turns = 0; turns < 10; turns++) {
      const path = join(folder, `${turns}.sock`);
      // What a process that died left behind is looked at first, which takes some turns.
      await Bun.spawn([
        process.execPath,
        "-e",
        `Bun.listen({ unix: ${JSON.stringify(path)}, socket: { data() {} } });
         process.kill(process.pid, "SIGKILL");`,
      ]).exited;
      const server = new Server();
      await server.start();
      const listening = server.listen(`unix@${path}`).catch(() => {});
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      await server.close();
      await listening;
      const address = parseAddress(`unix@${path}`);
      const error = await failure(dialPipe(address, { timeoutMs: 0 }));
      expect(error.code).toBe("unavailable");
    }
    rmSync(folder, { recursive: true });
  });
});

test("Peer and Server share no state between connections", async () => {
  const { connect } = setUp();
  const [first, second] = [connect(), connect()];
  first.send(jsonOption, jsonRequest("Arith.sum", 1, { a: 1, b: 2 }));
  second.send(jsonOption, jsonRequest("Arith.sum", 1, { a: 3, b: 4 }));
  const answers = await Promise.all(
    [first, second].map((peer: Peer) => peer.lines(2)),
  );
  expect(answers.map(([, body]) => body)).toEqual(["3", "7"]);
});

describe("options", () => {
  test.each([
    [{ handleTimeoutMs: -5 }],
    [{ keepAlive: { busyMs: -1 } }],
    [{ compression: { minBytes: -1 } }],
    [{ adaptiveLimit: { tolerance: 0 } }],
    [{ limits: { connectionWindowBytes: NaN } }],
    [{ handleTimeoutMs: NaN }],
    [{ limits: { maxMessageBytes: -1 } }],
    [{ limits: { maxConnections: "9" as unknown as number } }],
  ])("that are none are refused: %j", (options) => {
    expect(() => new Server(options)).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  });

  test("that are undefined are not given", async () => {
    const given = { maxMessageBytes: undefined, maxConnections: undefined };
    const { dial } = setUp({
      limits: given as unknown as Record<string, number>,
      handleTimeoutMs: undefined as unknown as number,
    });
    const client = dial();
    expect(await client.call<number>("Arith.sum", { a: 1, b: 2 })).toBe(3);
  });
});

test("a service that comes after the start is refused", async () => {
  const server = new Server().register(new Arith());
  await server.start();
  expect(() => server.register(new Arith(), "Late")).toThrow(
    expect.objectContaining({ code: "failed_precondition" }),
  );
  await server.close();
});

test("interceptors that are no list of functions are an invalid argument", () => {
  const pass: Interceptor = (call, next) => next(call);
  for (const wrong of [pass, [undefined], "pass", {}]) {
    const interceptors = wrong as unknown as Interceptor[];
    expect(() => new Server({ interceptors })).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  }
});

describe("calls to peers", () => {
  /** A server on a clock that stands, and what its only client's calls have as their peer. */
  async function peerOf(
    options: ServerOptions,
    services: Record<string, object>,
  ) {
    const { server, clock } = setUp(options);
    let peer: Caller | undefined;
    const enter = (_args: unknown, context: Context) =>
      void ({ peer } = context);
    server.register({ enter }, "Desk");
    const [near, far] = memoryPipe();
    server.serve(far);
    const client = Client.over(near, {
      clock,
      services,
      keepAlive: neverPings,
    });
    await client.call("Desk.enter");
    return { clock, peer: peer as unknown as Caller };
  }

  test.each<[ServerOptions, number]>([
    [{}, 5_000],
    [{ callTimeoutMs: 700 }, 700],
  ])("wait as long as the server says: %p", async (options, timeoutMs) => {
    const hold = () => new Promise(() => {});
    const { clock, peer } = await peerOf(
      { keepAlive: neverPings, ...options },
      { Bell: { hold } },
    );
    const failed = failure(peer.call("Bell.hold"));
    const seen = watch(failed);
    await clock.advance(timeoutMs - 1);
    expect(seen.isDone).toBe(false);
    await clock.advance(1);
    expect((await failed).code).toBe("deadline_exceeded");
  });

  test("for a time that is none are an invalid argument", () => {
    for (const callTimeoutMs of [NaN, -1]) {
      expect(() => new Server({ callTimeoutMs })).toThrow(
        expect.objectContaining({ code: "invalid_argument" }),
      );
    }
  });

  test("without an answer have metadata, too", async () => {
    const rung = Promise.withResolvers<unknown>();
    const ring = (_args: unknown, { metadata }: Context) =>
      rung.resolve(metadata.get("tone"));
    const { peer } = await peerOf({}, { Bell: { ring } });
    await peer.notify("Bell.ring", 1, { metadata: { tone: "low" } });
    expect(await rung.promise).toBe("low");
  });
});
