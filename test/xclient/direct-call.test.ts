import { describe, expect, test } from "bun:test";
import type { Picker } from "../../src/balance/picker.ts";
import { registerPicker } from "../../src/balance/select-mode.ts";
import type { Endpoint } from "../../src/discovery/discovery.ts";
import { StaticDiscovery } from "../../src/discovery/static.ts";
import { RpcError } from "../../src/errors.ts";
import type { CallError } from "../../src/xclient/call-error.ts";
import { XClient, type XClientOptions } from "../../src/xclient/xclient.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";
import { Fleet } from "./fleet.ts";

// Calls without options at a server that is connected: all others go another
// way, and so do these once something has gone wrong.

const [a, b] = ["tcp@a:1", "tcp@b:1"] as const;

/** What the picker under "listing" was shown as all servers. */
let listed: string[] = [];

registerPicker("listing", (): Picker => ({
  pick: ([endpoint], call) => {
    listed.push((call.listed ?? []).map(({ address }) => address).join());
    return endpoint as Endpoint;
  },
}));

/** Calls that end when the test says so. */
class Waiting {
  static rpc = { methods: { read: { idempotent: true } } };
  readonly running: PromiseWithResolvers<unknown>[] = [];

  whoami() {
    return "here";
  }
  read() {
    return this.#run();
  }
  write() {
    return this.#run();
  }
  async *count() {
    yield 1;
    await this.#run();
    yield 2;
  }
  #run() {
    const call = Promise.withResolvers<unknown>();
    this.running.push(call);
    return call.promise;
  }
}

/** A client whose calls go to the first of `addresses`, where it is connected. */
async function setUp(
  addresses: readonly string[],
  options: XClientOptions = {},
) {
  const clock = new ManualClock();
  const fleet = new Fleet(clock);
  const services = addresses.map(() => new Waiting());
  const servers = addresses.map((address, index) =>
    fleet.add(address, services[index] as Waiting),
  );
  const discovery = new StaticDiscovery(addresses);
  const xc = new XClient(discovery, {
    mode: "listing",
    clock,
    dial: fleet.dial,
    random: () => 0.5,
    keepAlive: { busyMs: 0, idleMs: 0 },
    ...options,
  });
  await xc.call("Foo.whoami");
  await settle();
  listed = [];
  return { clock, fleet, services, servers, discovery, xc };
}

const failed = (call: Promise<unknown>) =>
  call.catch((thrown: CallError) => thrown) as Promise<CallError>;

test("it ends with its time, at the server that it was made at", async () => {
  const { clock, services, xc } = await setUp([a], { callTimeoutMs: 1_000 });
  let isOver = false;
  const call = failed(xc.call("Foo.write")).finally(() => (isOver = true));
  await clock.advance(999);
  expect([services[0]?.running.length, isOver]).toEqual([1, false]);
  await clock.advance(1);
  expect(await call).toMatchObject({
    code: "deadline_exceeded",
    attempts: [{ address: a, code: "deadline_exceeded" }],
  });
  await xc.close();
});

test("with no time it has no end, and a stream that has begun has none of its own", async () => {
  const { clock, services, xc } = await setUp([a], { callTimeoutMs: 0 });
  const endless = xc.call("Foo.write");
  await clock.advance(1_000_000);
  services[0]?.running[0]?.resolve("late");
  expect(await endless).toBe("late");
  await xc.close();

  const short = await setUp([a], { callTimeoutMs: 1_000 });
  const items: unknown[] = [];
  const reply = (await short.xc.call("Foo.count")) as AsyncIterable<unknown>;
  const read = (async () => {
    for await (const item of reply) items.push(item);
  })();
  await short.clock.advance(1_000_000);
  short.services[0]?.running[0]?.resolve(undefined);
  await read;
  expect(items).toEqual([1, 2]);
  await short.xc.close();
});

describe("once it has failed", () => {
  test("it goes elsewhere where it may, for what is left of its time", async () => {
    const { clock, fleet, services, xc } = await setUp([a, b], {
      callTimeoutMs: 5_000,
    });
    let isOver = false;
    const call = failed(xc.call("Foo.read")).finally(() => (isOver = true));
    await clock.advance(3_000);
    fleet.kill(a);
    await clock.advance(100);
    expect(services.map(({ running }) => running.length)).toEqual([1, 1]);
    await clock.advance(1_899);
    expect(isOver).toBe(false);
    await clock.advance(1);
    expect(await call).toMatchObject({
      code: "deadline_exceeded",
      sent: true,
      attempts: [
        { address: a, code: "unavailable" },
        { address: b, code: "deadline_exceeded" },
      ],
    });
    // Pickers see who is listed, also who is tried.
    expect(listed).toEqual([`${a},${b}`, `${a},${b}`]);
    await xc.close();
  });

  test("it says with what it was tried", async () => {
    const { services, xc } = await setUp([a]);
    const call = failed(xc.call("Foo.write"));
    await settle();
    services[0]?.running[0]?.reject(new RpcError("aborted", "no"));
    expect(await call).toMatchObject({
      code: "aborted",
      attempts: [{ address: a, code: "aborted" }],
    });
    await xc.close();
  });

  test("its server is let go where that has left meanwhile", async () => {
    const { services, servers, discovery, xc } = await setUp([a, b]);
    const call = failed(xc.call("Foo.write"));
    await settle();
    discovery.update([{ address: b, services: undefined }]);
    await xc.call("Foo.whoami");
    expect(servers[0]?.connectionCount).toBe(1);
    services[0]?.running[0]?.reject(new RpcError("aborted", "no"));
    expect(await call).toMatchObject({ code: "aborted" });
    await settle();
    expect(servers[0]?.connectionCount).toBe(0);
    await xc.close();
  });
});

test("it dials nobody once the client is closed, whatever is listed still", async () => {
  const { fleet, discovery, xc } = await setUp([a]);
  const all = discovery.all();
  discovery.all = () => all;
  await xc.close();
  expect(await failed(xc.call("Foo.whoami"))).toMatchObject({
    code: "unavailable",
    sent: false,
  });
  expect(fleet.dials).toEqual([a]);
});

test("a list that cannot be had is its failure alone", async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  const { discovery, xc } = await setUp([a]);
  const away = new RpcError("unavailable", "away", { sent: false });
  discovery.all = () => Promise.reject(away);
  expect(await failed(xc.call("Foo.whoami"))).toMatchObject({
    code: "unavailable",
    sent: false,
  });
  await settle();
  process.off("unhandledRejection", note);
  expect(unhandled).toEqual([]);
  await xc.close();
});
