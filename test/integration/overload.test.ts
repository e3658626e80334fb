import { afterEach, describe, expect, test } from "bun:test";
import { Client } from "../../src/client/client.ts";
import { Server } from "../../src/server/server.ts";
import { memoryPipe } from "../../src/transport/memory.ts";
import { connect } from "../../src/xclient/connect.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";
import {
  type Ending,
  goodput,
  offer,
  Pool,
  slowestRefusalMs,
  Work,
} from "./overload.ts";

/** A server of Work with ten places of 100 ms on a clock that stands, and a client on each of two connections. */
function setUp() {
  const clock = new ManualClock();
  const pool = new Pool(clock, 10, 100);
  const server = new Server({ clock, adaptiveLimit: true });
  server.register(new Work(pool));
  const clients = [0, 1].map(() => {
    const [mine, theirs] = memoryPipe();
    server.serve(theirs);
    return Client.over(mine, { clock });
  });
  let turn = 0;
  const both: Pick<Client, "call"> = {
    call: (...args) => (clients[turn++ % 2] as Client).call(...args),
  };
  const load = async (times: number, durationMs: number): Promise<Ending[]> => {
    const endings = offer(both, clock, times * pool.capacity, durationMs);
    await clock.advance(durationMs + 1_100);
    return endings;
  };
  return { clock, pool, server, clients, load };
}

async function limitOf(server: Server): Promise<unknown> {
  const response = await server.fetch(
    new Request("http://here/debug/geerpc", {
      headers: { Accept: "application/json" },
    }),
  );
  const { services } = (await response.json()) as {
    services: { Work: { run: unknown } };
  };
  return services.Work.run;
}

describe("a server that is offered more than it can do", () => {
  test("three times: does what it can, and refuses the rest at once", async () => {
    const { server, clients, load } = setUp();
    const peak = goodput(await load(1, 5_000), 5_000);
    expect(await limitOf(server)).toMatchObject({
      adaptiveLimit: null,
      refusals: 0,
    });
    const endings = await load(3, 10_000);
    expect(goodput(endings, 10_000)).toBeGreaterThanOrEqual(0.85 * peak);
    const refused = endings.filter(({ code }) => code === "resource_exhausted");
    expect(refused.length).toBeGreaterThan(1_000);
    expect(refused.every(({ sent }) => sent === false)).toBe(true);
    expect(slowestRefusalMs(endings)).toBeLessThanOrEqual(5);
    expect(await limitOf(server)).toMatchObject({ refusals: refused.length });
    await Promise.all(clients.map((client) => client.close()));
    await server.close();
  });

  test("takes everything again when that is over", async () => {
    const { clients, server, load } = setUp();
    await load(0.8, 3_000);
    await load(3, 5_000);
    const endings = await load(0.8, 3_000);
    expect(endings.every(({ code }) => code === "ok")).toBe(true);
    await Promise.all(clients.map((client) => client.close()));
    await server.close();
  });
});

describe("over sockets, a fleet of two", () => {
  const servers: Server[] = [];
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.close()));
  });

  /** A service whose calls end when the test says so, and that counts them. */
  class Slow {
    calls = 0;
    readonly ends: (() => void)[] = [];

    async run(): Promise<number> {
      const call = ++this.calls;
      await new Promise<void>((resolve) => this.ends.push(resolve));
      return call;
    }
  }

  test("a call that one of them refuses goes to the other", async () => {
    // What its limit goes by.
    const clock = new ManualClock();
    const slow = new Slow();
    const first = new Server({
      clock,
      adaptiveLimit: { minRunning: 1 },
    }).register(slow, "Slow");
    const quick = { run: () => "elsewhere" };
    const second = new Server().register(quick, "Slow");
    servers.push(first, second);
    const busy = await first.listen();
    await using client = await Client.dial(busy, { callTimeoutMs: 0 });
    const entered = async (count: number) => {
      while (slow.ends.length < count) await settle();
    };
    // Quick ones first, then one that is slow for each that comes after it.
    for (let window = 0; window < 3; window++) {
      const calls = Array.from({ length: 20 }, () => client.call("Slow.run"));
      await entered(20);
      await clock.advance(100);
      for (const end of slow.ends.splice(0)) end();
      await Promise.all(calls);
    }
    const calls = Array.from({ length: 60 }, () => client.call("Slow.run"));
    await entered(60);
    await clock.advance(2_000);
    for (const end of slow.ends.splice(0, 40)) end();
    await Promise.all(calls.slice(0, 40));
    const before = slow.calls;

    const addresses = [busy, await second.listen()];
    await using xc = await connect<{ Slow: { run(): unknown } }>(addresses, {
      mode: "round-robin",
    });
    const replies = await Promise.all(
      Array.from({ length: 10 }, () => xc.Slow.run()),
    );
    expect(replies).toEqual(Array(10).fill("elsewhere"));
    expect(slow.calls).toBe(before);
    expect(first.methods.get("Slow")?.[0]?.adaptiveLimit?.refusals).toBe(5);
    for (const end of slow.ends.splice(0)) end();
    await Promise.all(calls);
  });
});
