import { describe, expect, test } from "bun:test";
import type { Picker } from "../../src/balance/picker.ts";
import { registerPicker } from "../../src/balance/select-mode.ts";
import { eventLine } from "../../src/cli/event-line.ts";
import type { Endpoint } from "../../src/discovery/discovery.ts";
import { StaticDiscovery } from "../../src/discovery/static.ts";
import { RpcError } from "../../src/errors.ts";
import type { RpcEvent } from "../../src/events.ts";
import { XClient, type XClientOptions } from "../../src/xclient/xclient.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";
import { firstMode } from "./first-picker.ts";
import { Fleet, foo } from "./fleet.ts";

const [a, b, c] = ["tcp@a:1", "tcp@b:1", "tcp@c:1"] as const;

/** What the picker under "noting" was told, with instants since the start. */
let notes: unknown[][] = [];
let noteClock = new ManualClock();
let startedAt = 0;
const at = (now: number) => now - startedAt;

registerPicker("noting", (_random, zone): Picker => {
  notes.push(["made", zone]);
  return {
    pick: (endpoints, { key, listed }) => {
      const names = (all: readonly Endpoint[] = []) =>
        all.map(({ address }) => address).join();
      notes.push(["pick", names(endpoints), names(listed), key]);
      return endpoints[0] as Endpoint;
    },
    started: ({ address }, now) => {
      notes.push(["started", address, at(now)]);
    },
    ended: ({ address }, outcome, latencyMs, now) => {
      notes.push(["ended", address, outcome, latencyMs, at(now)]);
    },
    retain: (addresses) => {
      notes.push(["retain", [...addresses].join()]);
    },
  };
});

const own = new Error("a picker's own");

registerPicker("throwing when told", (): Picker => ({
  pick: ([endpoint]) => endpoint as Endpoint,
  ended: () => {
    throw own;
  },
}));

function setUp(addresses: readonly string[], options: XClientOptions = {}) {
  const clock = new ManualClock();
  const fleet = new Fleet(clock);
  for (const address of addresses) fleet.add(address, foo(address));
  const discovery = new StaticDiscovery(addresses);
  const events: RpcEvent[] = [];
  const xc = new XClient(discovery, {
    mode: firstMode,
    clock,
    dial: fleet.dial,
    random: () => 0.5,
    keepAlive: { busyMs: 0, idleMs: 0 },
    onEvent: (event) => {
      if (event.kind.startsWith("server-")) events.push(event);
    },
    ...options,
  });
  return { clock, fleet, discovery, xc, events };
}

/** Calls that take longer than they may. */
async function timeOut(xc: XClient, clock: ManualClock, count: number) {
  for (let call = 0; call < count; call++) {
    const timeoutMs = 10;
    const late = xc
      .call("Foo.wait", undefined, { timeoutMs })
      .catch((thrown: RpcError) => thrown.code);
    await clock.advance(10);
    expect(await late).toBe("deadline_exceeded");
  }
}

describe("a server whose calls fail", () => {
  test("gets none for 5 s after the fifth in a row, then one, and all again once that is answered", async () => {
    const { clock, xc, events } = setUp([a, b]);
    await timeOut(xc, clock, 4);
    expect(await xc.call("Foo.whoami")).toBe(a);
    await timeOut(xc, clock, 5);
    expect(events).toEqual([
      {
        kind: "server-ejected",
        address: a,
        forMs: 5_000,
        reason: "failures-in-a-row",
      },
    ]);
    for (let call = 0; call < 10; call++) {
      expect(await xc.call("Foo.whoami")).toBe(b);
    }
    await clock.advance(4_999);
    expect(await xc.call("Foo.whoami")).toBe(b);
    await clock.advance(1);
    const probe = xc.call("Foo.whoami");
    const beside = xc.call("Foo.whoami");
    expect(await probe).toBe(a);
    expect(await beside).toBe(b);
    expect(await xc.call("Foo.whoami")).toBe(a);
    expect(events.slice(1)).toEqual([{ kind: "server-returned", address: a }]);
    await xc.close();
  });

  test("but not by refusals for want of room: others take those calls", async () => {
    class Full {
      static rpc = { methods: { run: { maxRunning: 0 } } };
      run() {}
    }
    const { fleet, xc, events } = setUp([a, b]);
    fleet.add(a, new Full());
    fleet.add(b, { run: () => "b" });
    for (let call = 0; call < 5; call++) {
      expect(await xc.call("Foo.run")).toBe("b");
    }
    expect(events).toEqual([]);
    await xc.close();
  });

  test("stays in where it is its callers that give up, or its service that says no", async () => {
    const { fleet, xc, events } = setUp([a, b]);
    fleet.add(a, {
      wait: () => new Promise(() => {}),
      run: () => {
        throw new RpcError("unavailable", "not today");
      },
    });
    for (let call = 0; call < 12; call++) {
      const abort = new AbortController();
      const given = xc
        .call("Foo.wait", undefined, { signal: abort.signal })
        .catch((thrown: RpcError) => thrown.code);
      await settle();
      abort.abort();
      expect(await given).toBe("cancelled");
      const refused = await xc
        .call("Foo.run")
        .catch((thrown: RpcError) => thrown.code);
      expect(refused).toBe("unavailable");
    }
    expect(events).toEqual([]);
    await xc.close();
  });

  test("stays in where it cannot be dialled: the pool knows", async () => {
    const { fleet, xc, events } = setUp([a]);
    fleet.refuse(a, new RpcError("unavailable", "EMFILE", { sent: false }));
    for (let call = 0; call < 12; call++) {
      await xc.call("Foo.whoami").catch(() => {});
    }
    fleet.refuse(a, undefined);
    expect(await xc.call("Foo.whoami")).toBe(a);
    expect(events).toEqual([]);
    await xc.close();
  });

  test("is forgotten when it leaves the list", async () => {
    const { clock, discovery, xc } = setUp([a, b]);
    await xc.call("Foo.whoami");
    await timeOut(xc, clock, 5);
    expect(await xc.call("Foo.whoami")).toBe(b);
    const without = (gone: string) =>
      [a, b]
        .filter((address) => address !== gone)
        .map((address) => ({ address, services: undefined }));
    discovery.update(without(a));
    await xc.call("Foo.whoami");
    discovery.update(without(""));
    expect(await xc.call("Foo.whoami")).toBe(a);
    await xc.close();
  });

  test("is a warning in the log, its return is none", () => {
    const ejected: RpcEvent = {
      kind: "server-ejected",
      address: a,
      forMs: 5_000,
      reason: "probe-failed",
    };
    const line = eventLine(ejected);
    expect(line.level).toBe("warn");
    expect(line.message).toContain(a);
    const back = eventLine({ kind: "server-returned", address: a });
    expect(back.level).toBe("info");
    expect(back.message).toContain(a);
  });
});

describe("a picker", () => {
  function noting(addresses: readonly string[], options: XClientOptions = {}) {
    notes = [];
    const all = setUp(addresses, { mode: "noting", ...options });
    noteClock = all.clock;
    startedAt = noteClock.now();
    return all;
  }
  const told = (...kinds: string[]) =>
    notes.filter(([kind]) => kinds.includes(kind as string));

  test("is told where the client is, which servers there are, and a call's key", async () => {
    const { xc, discovery } = noting([a, b], { zone: "north" });
    await xc.call("Foo.whoami", undefined, { key: "k" });
    await xc.notify("Foo.whoami", undefined, { key: "n" });
    discovery.update([{ address: c, services: undefined }]);
    await xc.call("Foo.whoami").catch(() => {});
    expect(told("made", "pick", "retain").slice(0, 6)).toEqual([
      ["made", "north"],
      ["retain", `${a},${b}`],
      ["pick", `${a},${b}`, `${a},${b}`, "k"],
      ["pick", `${a},${b}`, `${a},${b}`, "n"],
      ["retain", c],
      ["pick", c, c, undefined],
    ]);
    await xc.close();
  });

  test("sees all that are listed also where some are down", async () => {
    const { xc, fleet } = noting([a, b]);
    fleet.kill(a);
    await xc.call("Foo.whoami");
    await xc.call("Foo.whoami");
    expect(told("pick")).toEqual([
      ["pick", `${a},${b}`, `${a},${b}`, undefined],
      ["pick", b, `${a},${b}`, undefined],
      ["pick", b, `${a},${b}`, undefined],
    ]);
    await xc.close();
  });

  test("sees all that are listed also where that is another list than the call began with", async () => {
    const list = (...addresses: string[]) =>
      addresses.map((address) => ({ address, services: undefined }));
    const { xc, fleet, discovery, clock } = noting([a]);
    for (const address of [b, c]) fleet.add(address, foo(address));
    fleet.kill(a);
    discovery.refresh = async () => discovery.update(list(a, b));
    expect(await xc.call("Foo.whoami")).toBe(b);

    discovery.update(list(b));
    await xc.call("Foo.whoami");
    const call = xc.call("Foo.wait", undefined, { idempotent: true });
    await settle();
    discovery.update(list(b, c));
    fleet.kill(b);
    await clock.advance(100);
    expect(told("pick").map((note) => note[2])).toEqual([
      a,
      `${a},${b}`,
      b,
      b,
      `${b},${c}`,
      `${b},${c}`,
    ]);
    call.catch(() => {});
    await xc.close();
  });

  test("learns how long the server had a call, without the dial", async () => {
    const { xc, fleet, clock } = noting([a]);
    const service = foo("a");
    fleet.add(a, service);
    const open = fleet.hold(a);
    const first = xc.call("Foo.wait");
    await clock.advance(50);
    open();
    await settle();
    await clock.advance(30);
    service.waits[0]?.finish("done");
    await first;
    const second = xc.call("Foo.wait");
    await clock.advance(20);
    service.waits[1]?.finish("done");
    await second;
    expect(told("started", "ended")).toEqual([
      ["started", a, 0],
      ["ended", a, "answered", 30, 80],
      ["started", a, 80],
      ["ended", a, "answered", 20, 100],
    ]);
    await xc.close();
  });

  test("learns of failures, and once of each attempt", async () => {
    const { xc, fleet, clock } = noting([a, b]);
    fleet.kill(a);
    await timeOut(xc, clock, 1);
    expect(told("started", "ended")).toEqual([
      ["started", a, 0],
      ["ended", a, "local", undefined, 0],
      ["started", b, 0],
      ["ended", b, "failed", 10, 10],
    ]);
    await xc.close();
  });

  test("that throws at what it is told costs neither a call nor its connection", async () => {
    const warned: unknown[] = [];
    const onWarning = ({ cause }: Error) => void warned.push(cause);
    process.on("warning", onWarning);
    const { xc, fleet } = setUp([a], { mode: "throwing when told" });
    try {
      await xc.call("Foo.whoami");
      expect(await xc.call("Foo.whoami")).toBe(a);
      const failed = await xc.call("Foo.fail").catch((thrown) => thrown);
      expect(failed).toMatchObject({ code: "failed_precondition" });
      expect(fleet.dials).toEqual([a]);
      await settle();
      expect(warned).toEqual([own, own, own]);
    } finally {
      process.off("warning", onWarning);
      await xc.close();
    }
  });

  test("learns nothing of a server where the time is over before anything is sent", async () => {
    const { xc, fleet, clock } = noting([a], {
      dial: async (address, options) => {
        const dialled = Promise.withResolvers<void>();
        noteClock.after(10, dialled.resolve);
        await dialled.promise;
        return fleet.dial(address, options);
      },
    });
    const call = xc
      .call("Foo.whoami", undefined, { timeoutMs: 10 })
      .catch((thrown: RpcError) => thrown);
    await clock.advance(10);
    expect(await call).toMatchObject({
      code: "deadline_exceeded",
      sent: false,
    });
    expect(told("ended")).toEqual([["ended", a, "local", undefined, 10]]);
    await xc.close();
  });

  test("learns no time of streams and of calls without an answer; a stream has ended when it begins", async () => {
    const { xc, fleet, clock } = noting([a]);
    const items = async function* () {
      yield 1;
    };
    fleet.add(a, {
      count: items,
      take: async (given: AsyncIterable<unknown>) => {
        for await (const _ of given);
      },
      note: () => {},
    });
    const reply = (await xc.call("Foo.count")) as AsyncIterable<unknown>;
    await clock.advance(10);
    for await (const _ of reply);
    await xc.call("Foo.take", items());
    await xc.notify("Foo.note");
    expect(told("ended").map((note) => note.slice(1))).toEqual([
      [a, "answered", undefined, 0],
      [a, "answered", undefined, 10],
      [a, "local", undefined, 10],
    ]);
    await xc.close();
  });
});

test("in mode consistent-hash calls of one key go to one server", async () => {
  const { xc } = setUp([a, b, c], { mode: "consistent-hash" });
  const seen = new Set<unknown>();
  for (let key = 0; key < 30; key++) {
    const options = { key: `user-${key}` };
    const first = await xc.call("Foo.whoami", undefined, options);
    expect(await xc.call("Foo.whoami", undefined, options)).toBe(first);
    seen.add(first);
  }
  expect(seen.size).toBe(3);
  await xc.close();
});

test.each([5, null, {}])("%p is no key", async (key) => {
  const { xc, fleet } = setUp([a, b], { mode: "consistent-hash" });
  const options = { key: key as never };
  for (const call of [
    xc.call("Foo.whoami", undefined, options),
    xc.notify("Foo.whoami", undefined, options),
  ]) {
    expect(await call.catch((thrown: unknown) => thrown)).toMatchObject({
      code: "invalid_argument",
      sent: false,
    });
  }
  expect(fleet.dials).toEqual([]);
  await xc.close();
});
