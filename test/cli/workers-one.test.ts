import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/cli/root.ts";
import type { ServerValues } from "../../src/cli/server.ts";
import type {
  FromWorker,
  ToWorker,
  WorkerStart,
} from "../../src/cli/workers/messages.ts";
import type { ParentLink } from "../../src/cli/workers/parent-link.ts";
import { Parent } from "../../src/cli/workers/parent.ts";
import { runWorker } from "../../src/cli/workers/worker-command.ts";
import { systemClock } from "../../src/base/clock.ts";
import type { DebugReport } from "../../src/server/debug/report.ts";
import { FakeIo } from "../support/fake-io.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";

// One worker, inside the test's process: what its parent says is said by hand.

const values: ServerValues = {
  ...{ listen: "tcp@127.0.0.1:0", advertise: undefined, workers: 2 },
  ...{ registry: undefined, registryTokenFile: undefined },
  ...{ serviceVersion: undefined, weight: undefined, zone: undefined },
  ...{ label: undefined, reportLoad: false },
  ...{ handleTimeout: 0, drainTimeout: 30_000 },
  ...{ maxMessage: 4_194_304, maxConnections: 10, maxRunning: 10 },
  ...{ adaptiveLimit: false, handshakeTimeout: 5_000, keepalive: 0 },
  ...{ compress: false, logLevel: "debug", log: "json" },
};

class FakeParent implements ParentLink {
  readonly heard: FromWorker[] = [];
  readonly #gone = Promise.withResolvers<void>();
  readonly gone = this.#gone.promise;
  readonly #listening = Promise.withResolvers<string>();
  /** Where the worker listens, once it has said so. */
  readonly listening = this.#listening.promise;
  #listener: (message: ToWorker) => void = () => {};

  send(message: FromWorker): Promise<void> {
    this.heard.push(message);
    if (message.kind === "listening") this.#listening.resolve(message.address);
    return Promise.resolve();
  }

  onMessage(listener: (message: ToWorker) => void): void {
    this.#listener = listener;
  }

  say(message: ToWorker): void {
    this.#listener(message);
  }

  die(): void {
    this.#gone.resolve();
  }

  get kinds(): string[] {
    return this.heard.map(({ kind }) => kind);
  }
}

function start(told: Partial<WorkerStart> = {}, clock = systemClock) {
  const parent = new FakeParent();
  const io = new FakeIo();
  const ended = runWorker(parent, io, clock);
  const listen = "tcp@127.0.0.1:0";
  parent.say({
    ...{ kind: "start", worker: 2, listen, files: [], values },
    ...{ isReady: true, tellsServices: true, ...told },
  });
  const log = () =>
    io.stderr.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { parent, io, ended, log };
}

function get(address: string, path: string): Promise<Response> {
  const headers = { Accept: "application/json", Connection: "close" };
  return fetch(address.replace("tcp@", "http://") + path, { headers });
}

describe("a worker", () => {
  test("serves where it is told, and leaves its end to its parent", async () => {
    const { parent, io, ended, log } = start();
    const address = await parent.listening;
    expect(parent.heard).toEqual([
      { kind: "listening", address, services: ["Foo"] },
    ]);
    io.signal("SIGINT");
    io.signal("SIGTERM");
    io.signal("SIGTERM");
    await settle();
    expect(io.exits).toEqual([]);
    expect((await get(address, "/readyz")).status).toBe(200);
    expect(io.listeners).toBeGreaterThan(0);
    parent.say({ kind: "drain" });
    expect(await ended).toBe(0);
    expect(io.listeners).toBe(0);
    expect(io.stdout.text).toBe("");
    expect(log().map(({ event }) => event)).toEqual(["service", "listening"]);
    for (const line of log()) expect(line["worker"]).toBe(2);
  });

  test("lists its services where it is told to", async () => {
    const { parent, ended, log } = start({ tellsServices: false });
    await parent.listening;
    parent.say({ kind: "drain" });
    await ended;
    expect(log().map(({ event }) => event)).toEqual(["listening"]);
  });

  test("shares its port", async () => {
    const one = start();
    const listen = await one.parent.listening;
    const two = start({ listen });
    expect(await two.parent.listening).toBe(listen);
    one.parent.say({ kind: "drain" });
    two.parent.say({ kind: "drain" });
    expect([await one.ended, await two.ended]).toEqual([0, 0]);
  });

  test("whose parent is gone ends, in order but not well", async () => {
    const { parent, ended } = start();
    await parent.listening;
    parent.die();
    expect(await ended).toBe(1);
  });

  test("whose parent is gone before it has said anything ends", async () => {
    const parent = new FakeParent();
    const io = new FakeIo();
    const ended = runWorker(parent, io);
    parent.die();
    expect(await ended).toBe(1);
    expect(io.listeners).toBe(0);
  });

  test("that cannot start says why to its parent, which logs it", async () => {
    const { parent, io, ended } = start({ files: ["/no/such.ts"] });
    expect(await ended).toBe(1);
    expect(parent.heard).toMatchObject([
      {
        kind: "start-failed",
        line: { level: "error", fields: { code: "failed_precondition" } },
      },
    ]);
    expect(io.stderr.text).toBe("");
    expect(io.listeners).toBe(0);
  });

  test("that cannot start disposes of what has started", async () => {
    const folder = await mkdtemp(join(tmpdir(), "geerpc-worker-"));
    try {
      const file = join(folder, "half.ts");
      await Bun.write(
        file,
        `export class A {
           a() {}
           async [Symbol.asyncDispose]() { globalThis.disposedOf = "A"; }
         }
         export class B { b() {} start() { throw new Error("no"); } }`,
      );
      const { parent, ended } = start({ files: [file] });
      expect(await ended).toBe(1);
      expect(parent.kinds).toEqual(["start-failed"]);
      expect(Reflect.get(globalThis, "disposedOf")).toBe("A");
    } finally {
      Reflect.deleteProperty(globalThis, "disposedOf");
      await rm(folder, { recursive: true });
    }
  });

  test("whose service throws where nobody catches it leaves, and says so at once", async () => {
    const { parent, io, ended, log } = start();
    await parent.listening;
    io.fault(new Error("oh"));
    await settle();
    expect(parent.kinds).toEqual(["listening", "leaving"]);
    expect(await ended).toBe(1);
    expect(log().at(-1)).toMatchObject({ event: "uncaught", worker: 2 });
  });

  test("is ready when it is told so", async () => {
    const { parent, ended } = start({ isReady: false });
    const address = await parent.listening;
    expect((await get(address, "/readyz")).status).toBe(503);
    parent.say({ kind: "ready" });
    expect((await get(address, "/readyz")).status).toBe(200);
    parent.say({ kind: "drain" });
    await ended;
  });

  test("gives its figures when it is asked", async () => {
    const { parent, ended } = start();
    parent.say({ kind: "tally" }); // Nothing to give yet.
    const address = await parent.listening;
    await fetch(`${address.replace("tcp@", "http://")}/rpc/Foo.Echo`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: "1",
    });
    parent.say({ kind: "tally" });
    expect(parent.kinds).toEqual(["listening", "tally"]);
    const tally = parent.heard.at(-1) as FromWorker & { kind: "tally" };
    const echo = tally.tally.services.get("Foo")?.get("Echo");
    expect(echo).toMatchObject({ calls: 1, errors: 0 });
    parent.say({ kind: "drain" });
    await ended;
  });
});

describe("the debug page of a worker", () => {
  const report = { services: {}, server: { connections: 77 } };

  /** Resolves when the parent has been asked for the sum so many times. */
  async function untilAsked(parent: FakeParent, times: number): Promise<void> {
    while (parent.kinds.filter((kind) => kind === "sum").length < times) {
      await settle();
    }
  }

  test("is the parent's sum, asked for once at a time", async () => {
    const { parent, ended } = start();
    const address = await parent.listening;
    for (const times of [1, 2]) {
      const answers = [1, 2].map(() => get(address, "/debug/geerpc"));
      await untilAsked(parent, times);
      // Time for the second request to come in.
      await get(address, "/healthz");
      await settle();
      parent.say({ kind: "sum", report: report as unknown as DebugReport });
      const [first] = await Promise.all(answers);
      expect(await first?.json()).toEqual(report);
    }
    parent.say({ kind: "drain" });
    await ended;
  });

  test("is its own where the parent says nothing for 2 s", async () => {
    const clock = new ManualClock();
    const { parent, ended } = start({}, clock);
    const address = await parent.listening;
    const answer = get(address, "/debug/geerpc");
    await untilAsked(parent, 1);
    let isThere = false;
    void answer.then(() => (isThere = true));
    await clock.advance(1_999);
    expect(isThere).toBe(false);
    await clock.advance(1);
    expect(await (await answer).json()).toMatchObject({
      server: { workers: [{ worker: 2, pid: process.pid }] },
    });
    parent.say({ kind: "drain" });
    await ended;
  });
});

test("a sum that has come leaves no timer", async () => {
  const clock = new ManualClock();
  const link = new FakeParent();
  const parent = new Parent(link, clock);
  const sum = parent.sum();
  expect(clock.timers).toBe(1);
  link.say({ kind: "sum", report: {} as DebugReport });
  expect(await sum).toEqual({} as DebugReport);
  await settle();
  expect(clock.timers).toBe(0);
});

test("by hand it is wrong usage", async () => {
  const io = new FakeIo();
  expect(await run(["server-worker"], io)).toBe(2);
  expect(io.stdout.text).toBe("");
});
