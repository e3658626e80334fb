import { describe, expect, test } from "bun:test";
import type { Picker } from "../../src/balance/picker.ts";
import { registerPicker } from "../../src/balance/select-mode.ts";
import type { Discovery, Endpoint } from "../../src/discovery/discovery.ts";
import { StaticDiscovery } from "../../src/discovery/static.ts";
import { RpcError } from "../../src/errors.ts";
import { parseAddress } from "../../src/transport/address.ts";
import { listenPipes } from "../../src/transport/listen.ts";
import { XClient, type XClientOptions } from "../../src/xclient/xclient.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";
import { Fleet, foo } from "./fleet.ts";

const [a, b, c] = ["tcp@a:1", "tcp@b:1", "tcp@c:1"] as const;

/** Always the first in the list: tests then know where a call goes first. */
registerPicker("first", (): Picker => ({
  pick: ([endpoint]) => {
    if (endpoint !== undefined) return endpoint;
    throw new RpcError("unavailable", "nobody", { sent: false });
  },
}));

function client(
  fleet: Fleet,
  addresses: readonly string[],
  options: XClientOptions = {},
): XClient {
  return new XClient(new StaticDiscovery(addresses), {
    mode: "first",
    dial: fleet.dial,
    ...options,
  });
}

describe("call", () => {
  test("goes to a server, over a connection that is kept", async () => {
    await using fleet = new Fleet();
    fleet.add(a, foo("a"));
    await using xc = client(fleet, [a]);
    expect(await xc.call("Foo.whoami")).toBe("a");
    expect(await xc.call("Foo.whoami")).toBe("a");
    expect(fleet.dials).toEqual([a]);
  });

  test("tries the others once each when a dial fails", async () => {
    await using fleet = new Fleet();
    fleet.add(c, foo("c"));
    await using xc = client(fleet, [a, b, c]);
    expect(await xc.call("Foo.whoami")).toBe("c");
    expect(fleet.dials).toEqual([a, b, c]);
  });

  test("fails as not sent when nobody could be dialled", async () => {
    await using fleet = new Fleet();
    await using xc = client(fleet, [a, b]);
    await expect(xc.call("Foo.whoami")).rejects.toMatchObject({
      code: "unavailable",
      sent: false,
    });
    expect(fleet.dials).toEqual([a, b]);
  });

  test("moves on when a server refuses because it drains", async () => {
    await using fleet = new Fleet();
    const service = foo("a");
    const draining = fleet.add(a, service);
    fleet.add(b, foo("b"));
    await using xc = client(fleet, [a, b]);
    const running = xc.call("Foo.wait");
    expect(await xc.call("Foo.whoami")).toBe("a");
    const drained = draining.drain();
    expect(await xc.call("Foo.whoami")).toBe("b");
    service.waits[0]?.finish("done");
    expect(await running).toBe("done");
    await drained;
  });

  test("does not move on after a call that may have run", async () => {
    await using fleet = new Fleet();
    const service = foo("a");
    fleet.add(a, service);
    fleet.add(b, foo("b"));
    await using xc = client(fleet, [a, b]);
    const call = xc.call("Foo.wait");
    await xc.call("Foo.whoami");
    expect(service.waits.length).toBe(1);
    fleet.kill(a);
    await expect(call).rejects.toMatchObject({
      code: "unavailable",
      sent: true,
    });
    expect(fleet.dials).toEqual([a]);
    expect(await xc.call("Foo.whoami")).toBe("b");
  });

  test("does not move on after an error of the handler", async () => {
    await using fleet = new Fleet();
    fleet.add(a, foo("a"));
    fleet.add(b, foo("b"));
    await using xc = client(fleet, [a, b]);
    await expect(xc.call("Foo.fail")).rejects.toMatchObject({
      code: "failed_precondition",
    });
    expect(fleet.dials).toEqual([a]);
  });

  test("moves on whatever a dial failed with", async () => {
    await using fleet = new Fleet();
    fleet.refuse(a, new RpcError("resource_exhausted", "too many connections"));
    fleet.refuse(b, new RpcError("internal", "no geerpc server there"));
    fleet.add(c, foo("c"));
    await using xc = client(fleet, [a, b, c]);
    expect(await xc.call("Foo.whoami")).toBe("c");
    expect(fleet.dials).toEqual([a, b, c]);
  });

  test("moves on when a server refuses because too much runs", async () => {
    await using fleet = new Fleet();
    const service = foo("a");
    fleet.add(a, service, { limits: { maxRunningHandlers: 1 } });
    fleet.add(b, foo("b"));
    await using xc = client(fleet, [a, b]);
    const running = xc.call("Foo.wait");
    expect(await xc.call("Foo.whoami")).toBe("b");
    service.waits[0]?.finish("done");
    expect(await running).toBe("done");
  });

  test("does not move on after a limit of the handler's own", async () => {
    await using fleet = new Fleet();
    fleet.add(a, {
      run: () => {
        throw new RpcError("resource_exhausted", "no more of that today");
      },
    });
    await using xc = client(fleet, [a, b]);
    const failed = await xc.call("Foo.run").catch((thrown) => thrown);
    expect(failed).toMatchObject({ code: "resource_exhausted" });
    expect(fleet.dials).toEqual([a]);
  });

  test("waits for one dial for its share of the time, then goes to the next; the dial goes on", async () => {
    const clock = new ManualClock();
    await using fleet = new Fleet(clock);
    for (const address of [a, b]) fleet.add(address, foo(address));
    const open = fleet.hold(a);
    const xc = client(fleet, [a, b], { clock });
    const started = clock.now();
    const reply = xc.call("Foo.whoami").then((value) => [value, clock.now()]);
    await clock.advance(2_499);
    expect(fleet.dials).toEqual([a]);
    await clock.advance(1);
    expect(await reply).toEqual([b, started + 2_500]);
    // Nobody else waits for it.
    expect(await xc.call("Foo.whoami")).toBe(b);
    open();
    await settle();
    expect(await xc.call("Foo.whoami")).toBe(a);
    expect(fleet.dials).toEqual([a, b]);
    await xc.close();
    expect(clock.timers).toBe(0);
  });

  test("comes back to a server that was slow where the others fail", async () => {
    const clock = new ManualClock();
    await using fleet = new Fleet(clock);
    fleet.add(a, foo("a"));
    const open = fleet.hold(a);
    const xc = client(fleet, [a, b], { clock });
    const reply = xc.call("Foo.whoami");
    await clock.advance(3_000);
    expect(fleet.dials).toEqual([a, b]);
    open();
    expect(await reply).toBe("a");
    expect(fleet.dials).toEqual([a, b]);
    await xc.close();
  });

  test("asks servers last that could not be reached just now", async () => {
    const clock = new ManualClock();
    await using fleet = new Fleet(clock);
    for (const address of [b, c]) fleet.add(address, foo(address));
    await using xc = client(fleet, [a, b, c], { clock });
    for (let call = 0; call < 5; call++) {
      expect(await xc.call("Foo.whoami")).toBe(b);
    }
    expect(fleet.dials).toEqual([a, b]);
    fleet.kill(b);
    await settle();
    expect(await xc.call("Foo.whoami")).toBe(c);
    fleet.kill(c);
    await settle();
    // Last is not never.
    fleet.add(a, foo("a"));
    expect(await xc.call("Foo.whoami")).toBe("a");
    await xc.close();
  });

  test("a server that is back is found behind calls to others, which do not wait for it", async () => {
    const clock = new ManualClock();
    await using fleet = new Fleet(clock);
    fleet.add(b, foo("b"));
    await using xc = client(fleet, [a, b], { clock, random: () => 0.5 });
    expect(await xc.call("Foo.whoami")).toBe("b");
    fleet.add(a, foo("a"));
    const open = fleet.hold(a);
    await clock.advance(250);
    expect(await xc.call("Foo.whoami")).toBe("b");
    expect(fleet.dials).toEqual([a, b, a]);
    open();
    await settle();
    expect(await xc.call("Foo.whoami")).toBe("a");
    expect(fleet.dials).toEqual([a, b, a]);
  });

  test("with a single address each call dials, also in its backoff", async () => {
    const clock = new ManualClock();
    await using fleet = new Fleet(clock);
    await using xc = client(fleet, [a], { clock });
    for (let call = 0; call < 3; call++) {
      const error = await xc.call("Foo.whoami").catch((thrown) => thrown);
      expect(error).toMatchObject({ code: "unavailable", sent: false });
    }
    fleet.add(a, foo("a"));
    expect(await xc.call("Foo.whoami")).toBe("a");
    expect(fleet.dials).toEqual([a, a, a, a]);
  });

  test("leaves no timer behind, and none while its server is connected", async () => {
    const clock = new ManualClock();
    await using fleet = new Fleet(clock);
    fleet.add(a, foo("a"));
    const keepAlive = { busyMs: 0, idleMs: 0 };
    await using xc = client(fleet, [a], { clock, keepAlive });
    await xc.call("Foo.whoami", undefined, { timeoutMs: 0 });
    expect(clock.timers).toBe(0);
  });

  test("ends at its deadline while a server is still being dialled", async () => {
    const clock = new ManualClock();
    await using fleet = new Fleet(clock);
    fleet.add(a, foo("a"));
    const open = fleet.hold(a);
    const xc = client(fleet, [a], { clock });
    const call = xc.call("Foo.whoami", undefined, { timeoutMs: 100 });
    // Bun's expect().rejects stands still until it knows: too early for a manual clock.
    const outcome = call.catch((error: RpcError) => error);
    await clock.advance(100);
    expect(await outcome).toMatchObject({
      code: "deadline_exceeded",
      sent: false,
    });
    open();
    expect(await xc.call("Foo.whoami")).toBe("a");
    await xc.close();
  });

  test("ends at its caller's abort while a server is still being dialled", async () => {
    await using fleet = new Fleet();
    const open = fleet.hold(a);
    const xc = client(fleet, [a]);
    const abort = new AbortController();
    const call = xc.call("Foo.whoami", undefined, { signal: abort.signal });
    abort.abort();
    await expect(call).rejects.toMatchObject({ code: "cancelled" });
    open();
    await xc.close();
  });

  test("refuses what is no method's name before anything is dialled", async () => {
    await using fleet = new Fleet();
    await using xc = client(fleet, [a]);
    for (const name of ["whoami", ".whoami", "", undefined as never]) {
      await expect(xc.call(name)).rejects.toMatchObject({
        code: "invalid_argument",
      });
    }
    expect(fleet.dials).toEqual([]);
  });

  test("is refused once the client is closed", async () => {
    await using fleet = new Fleet();
    fleet.add(a, foo("a"));
    const xc = client(fleet, [a]);
    await xc.call("Foo.whoami");
    await xc.close();
    await expect(xc.call("Foo.whoami")).rejects.toMatchObject({
      code: "unavailable",
      sent: false,
    });
  });
});

/** A list that the test sets. */
class ListedByHand implements Discovery {
  #list: Promise<readonly Endpoint[]> = Promise.resolve([]);
  isClosed = false;
  refreshes = 0;
  /** What a refresh finds; undefined: the list as it was. */
  next: readonly Endpoint[] | undefined;
  all() {
    return this.#list;
  }
  async refresh() {
    this.refreshes++;
    if (this.next !== undefined) this.update(this.next);
  }
  update(endpoints: readonly Endpoint[]) {
    this.#list = Promise.resolve(endpoints);
  }
  close() {
    this.isClosed = true;
  }
}

describe("who is picked", () => {
  test("only servers known to have the service, and those that did not tell", async () => {
    await using fleet = new Fleet();
    for (const address of [a, b, c]) fleet.add(address, foo(address));
    const discovery = new ListedByHand();
    await using xc = new XClient(discovery, {
      mode: "round-robin",
      random: () => 0,
      dial: fleet.dial,
    });
    discovery.update([
      { address: a, services: ["Bar"] },
      { address: b, services: ["Foo"] },
      { address: c, services: undefined },
    ]);
    const answers: unknown[] = [];
    for (let call = 0; call < 4; call++) {
      answers.push(await xc.call("Foo.whoami"));
    }
    expect(answers.sort()).toEqual([b, b, c, c]);
    await expect(xc.call("Baz.any")).rejects.toMatchObject({
      code: "unimplemented",
    });
    discovery.update([{ address: a, services: ["Bar"] }]);
    await expect(xc.call("Foo.whoami")).rejects.toMatchObject({
      code: "unavailable",
      sent: false,
    });
  });

  test("a server that has left is let go, and one that came is used", async () => {
    await using fleet = new Fleet();
    const left = fleet.add(a, foo("a"));
    fleet.add(b, foo("b"));
    const discovery = new ListedByHand();
    await using xc = new XClient(discovery, {
      mode: "first",
      dial: fleet.dial,
    });
    discovery.update([{ address: a, services: undefined }]);
    expect(await xc.call("Foo.whoami")).toBe("a");
    expect(left.connectionCount).toBe(1);
    discovery.update([{ address: b, services: undefined }]);
    expect(await xc.call("Foo.whoami")).toBe("b");
    expect(left.connectionCount).toBe(0);
  });

  test("a server that has left is let go when its last call has ended", async () => {
    await using fleet = new Fleet();
    const service = foo("a");
    const left = fleet.add(a, service);
    fleet.add(b, foo("b"));
    const discovery = new ListedByHand();
    await using xc = new XClient(discovery, {
      mode: "first",
      dial: fleet.dial,
    });
    discovery.update([{ address: a, services: undefined }]);
    const running = xc.call("Foo.wait");
    await xc.call("Foo.whoami");
    discovery.update([{ address: b, services: undefined }]);
    expect(await xc.call("Foo.whoami")).toBe("b");
    expect(left.connectionCount).toBe(1);
    service.waits[0]?.finish("done");
    expect(await running).toBe("done");
    await settle();
    expect(left.connectionCount).toBe(0);
  });

  describe("a list that does not help is asked for anew", () => {
    const onlyA: Endpoint[] = [{ address: a, services: ["Bar"] }];
    const both: Endpoint[] = [...onlyA, { address: b, services: ["Foo"] }];

    test("for a service that nobody on it has", async () => {
      await using fleet = new Fleet();
      for (const address of [a, b]) fleet.add(address, foo(address));
      const discovery = new ListedByHand();
      await using xc = new XClient(discovery, { dial: fleet.dial });
      discovery.update(onlyA);
      discovery.next = both;
      expect(await xc.call("Foo.whoami")).toBe(b);
      expect(await xc.broadcast("Foo.whoami")).toBe(b);
      expect(discovery.refreshes).toBe(1);
    });

    test("by a broadcast, too", async () => {
      await using fleet = new Fleet();
      for (const address of [a, b]) fleet.add(address, foo(address));
      const discovery = new ListedByHand();
      await using xc = new XClient(discovery, { dial: fleet.dial });
      discovery.update(onlyA);
      discovery.next = both;
      const outcomes = await xc.broadcastSettled("Foo.whoami");
      expect([...outcomes]).toEqual([[b, { reply: b }]]);
    });

    test("where nobody on it can be reached", async () => {
      await using fleet = new Fleet();
      fleet.add(b, foo(b));
      const discovery = new ListedByHand();
      await using xc = new XClient(discovery, { dial: fleet.dial });
      discovery.update([{ address: a, services: ["Foo"] }]);
      discovery.next = [{ address: b, services: ["Foo"] }];
      expect(await xc.call("Foo.whoami")).toBe(b);
      expect(fleet.dials).toEqual([a, b]);
    });

    test("once for all calls, and again after a backoff of 2 s at most", async () => {
      const clock = new ManualClock();
      const discovery = new ListedByHand();
      await using xc = new XClient(discovery, { clock, random: () => 0.5 });
      discovery.update(onlyA);
      const instants: number[] = [];
      for (let ms = 0; ms < 8_000; ms += 10) {
        const { refreshes } = discovery;
        const calls = Array.from({ length: 3 }, () =>
          xc.call("Foo.whoami").catch((thrown: RpcError) => thrown.code),
        );
        expect(await Promise.all(calls)).toEqual(Array(3).fill("unavailable"));
        if (discovery.refreshes > refreshes) instants.push(ms);
        await clock.advance(10);
      }
      const gaps = instants.map((at, i) => at - (instants[i - 1] ?? at));
      expect(gaps).toEqual([0, 250, 400, 640, 1_030, 1_640, 2_000, 2_000]);
      expect(discovery.refreshes).toBe(gaps.length);
    }, 30_000);

    test("at once where it helped the last time", async () => {
      const clock = new ManualClock();
      await using fleet = new Fleet(clock);
      fleet.add(a, foo(a));
      const discovery = new ListedByHand();
      const { dial } = fleet;
      await using xc = new XClient(discovery, { clock, dial });
      discovery.update(onlyA);
      for (const service of ["One", "Two", "Three"]) {
        discovery.next = [{ address: a, services: [service] }];
        const failed = await xc
          .call(`${service}.any`)
          .catch((thrown) => thrown);
        expect(failed).toMatchObject({ code: "unimplemented" });
      }
      expect(discovery.refreshes).toBe(3);
    });

    test("an empty one is not: discovery has asked already", async () => {
      const discovery = new ListedByHand();
      await using xc = new XClient(discovery);
      await expect(xc.call("Foo.whoami")).rejects.toMatchObject({
        code: "unavailable",
        sent: false,
      });
      expect(discovery.refreshes).toBe(0);
    });

    test("a refresh that hangs ends the call at its deadline", async () => {
      const clock = new ManualClock();
      const discovery = new ListedByHand();
      await using xc = new XClient(discovery, { clock });
      discovery.update(onlyA);
      discovery.refresh = () => new Promise(() => {});
      const failed = xc.call("Foo.whoami").catch((thrown) => thrown);
      await clock.advance(5_000);
      expect(await failed).toMatchObject({ code: "deadline_exceeded" });
      expect(clock.timers).toBe(0);
    });

    test("one that fails leaves the call with what it knows", async () => {
      const discovery = new ListedByHand();
      await using xc = new XClient(discovery);
      discovery.update(onlyA);
      discovery.refresh = () => Promise.reject(new Error("away"));
      const failed = await xc.call("Foo.whoami").catch((thrown) => thrown);
      expect(failed).toMatchObject({
        code: "unavailable",
        message: expect.stringContaining("Foo.whoami"),
      });
    });
  });

  test("an abort while the registry is away is no unhandled rejection", async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    const discovery = new ListedByHand();
    discovery.all = () => Promise.reject(new RpcError("unavailable", "away"));
    const xc = new XClient(discovery);
    const signal = AbortSignal.abort();
    const call = xc.call("Foo.whoami", undefined, { signal });
    expect(await call.catch((thrown) => thrown)).toMatchObject({
      code: "cancelled",
    });
    await settle();
    process.off("unhandledRejection", note);
    expect(unhandled).toEqual([]);
    await xc.close();
  });

  test("a call whose client is closed while it dials is told so", async () => {
    // A listener whose queue is never taken from: the handshake hangs.
    const listener = await listenPipes(
      parseAddress("tcp@127.0.0.1:0"),
      () => {},
    );
    const xc = new XClient(new StaticDiscovery([listener.address]));
    const call = xc.call("Foo.whoami").catch((thrown) => thrown);
    await settle();
    await xc.close();
    expect(await call).toMatchObject({ code: "unavailable", sent: false });
    listener.close();
  });

  test("close closes the discovery", async () => {
    const discovery = new ListedByHand();
    const xc = new XClient(discovery);
    await xc.close();
    expect(discovery.isClosed).toBe(true);
  });

  test("an onEvent that throws costs no call", async () => {
    await using fleet = new Fleet();
    fleet.add(b, foo("b"));
    const kinds: string[] = [];
    const warned = new Promise((resolve) => process.once("warning", resolve));
    await using xc = client(fleet, [a, b], {
      onEvent({ kind }) {
        kinds.push(kind);
        throw new Error("a listener's own");
      },
    });
    expect(await xc.call("Foo.whoami")).toBe("b");
    expect(kinds).toEqual(["dial-failed", "connected"]);
    await warned;
  });

  test("its connections are among many, unless its user says otherwise", async () => {
    for (const given of [undefined, false]) {
      const fleet = new Fleet();
      fleet.add(a, foo("a"));
      const told: unknown[] = [];
      const xc = new XClient(new StaticDiscovery([a]), {
        ...(given === undefined ? {} : { isOneOfMany: given }),
        dial: (address, options) => {
          told.push(options.isOneOfMany);
          return fleet.dial(address, options);
        },
      });
      expect(await xc.call("Foo.whoami")).toBe("a");
      expect(told).toEqual([given ?? true]);
      await xc.close();
      await fleet[Symbol.asyncDispose]();
    }
  });

  test("options that mean nothing are refused", () => {
    for (const options of [
      { mode: "fastest" },
      { connectionsPerAddress: 0 },
      { connectionsPerAddress: 1.5 },
      { callTimeoutMs: -1 },
    ]) {
      expect(() => new XClient(new ListedByHand(), options)).toThrow(
        expect.objectContaining({ code: "invalid_argument" }),
      );
    }
  });
});

describe("go and notify", () => {
  test("go gives a call whose done never rejects", async () => {
    await using fleet = new Fleet();
    fleet.add(a, foo("a"));
    await using xc = client(fleet, [a]);
    const good = await xc.go("Foo.whoami").done;
    expect(good.reply).toBe("a");
    expect(good.error).toBeUndefined();
    const bad = await xc.go("Foo.fail").done;
    expect(bad.error?.code).toBe("failed_precondition");
  });

  test("notify reaches the handler and waits for nothing", async () => {
    await using fleet = new Fleet();
    const service = foo("a");
    fleet.add(a, service);
    await using xc = client(fleet, [a]);
    await xc.notify("Foo.wait");
    await xc.call("Foo.whoami");
    expect(service.waits.length).toBe(1);
    service.waits[0]?.finish("done");
  });
});

describe("broadcast", () => {
  test("asks every server once and gives a reply", async () => {
    await using fleet = new Fleet();
    for (const address of [a, b, c]) fleet.add(address, foo(address));
    await using xc = client(fleet, [a, b, c]);
    expect([a, b, c]).toContain((await xc.broadcast("Foo.whoami")) as typeof a);
    expect(fleet.dials.toSorted()).toEqual([a, b, c]);
  });

  test("the first error is the result and cancels the rest; options stay as they were", async () => {
    await using fleet = new Fleet();
    const waiting = foo("a");
    fleet.add(a, waiting);
    const { promise: mayFail, resolve: fail } = Promise.withResolvers<void>();
    fleet.add(b, {
      wait: async () => {
        await mayFail;
        throw new RpcError("aborted", "b fails");
      },
    });
    await using xc = client(fleet, [a, b]);
    const signal = new AbortController().signal;
    const options = Object.freeze({ signal, timeoutMs: 0 });
    const broadcast = xc.broadcast("Foo.wait", undefined, options);
    expect(await xc.call("Foo.whoami")).toBe("a");
    const [wait] = waiting.waits;
    const cancelled = new Promise((resolve) =>
      wait?.signal.addEventListener("abort", resolve),
    );
    fail();
    const error = await broadcast.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "aborted" });
    await cancelled;
    expect(signal.aborted).toBe(false);
  });

  test("a server that cannot be reached is an error of the broadcast", async () => {
    await using fleet = new Fleet();
    fleet.add(a, foo("a"));
    await using xc = client(fleet, [a, b]);
    await expect(xc.broadcast("Foo.whoami")).rejects.toMatchObject({
      code: "unavailable",
    });
  });

  test("settled gives every server's outcome by its address", async () => {
    await using fleet = new Fleet();
    fleet.add(a, foo("a"));
    fleet.add(c, {
      whoami: () => Promise.reject(new RpcError("aborted", "no")),
    });
    await using xc = client(fleet, [c, a, b]);
    const outcomes = await xc.broadcastSettled("Foo.whoami");
    expect([...outcomes.keys()]).toEqual([a, b, c]);
    expect(outcomes.get(a)).toEqual({ reply: "a" });
    expect(outcomes.get(b)).toMatchObject({ error: { code: "unavailable" } });
    expect(outcomes.get(c)).toMatchObject({ error: { code: "aborted" } });
  });

  test("without a server both are unavailable", async () => {
    await using fleet = new Fleet();
    const discovery = new ListedByHand();
    await using xc = new XClient(discovery, { dial: fleet.dial });
    const expected = { code: "unavailable", sent: false };
    await expect(xc.broadcast("Foo.whoami")).rejects.toMatchObject(expected);
    await expect(xc.broadcastSettled("Foo.whoami")).rejects.toMatchObject(
      expected,
    );
  });
});
