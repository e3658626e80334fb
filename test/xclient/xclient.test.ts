import { describe, expect, test } from "bun:test";
import type { Picker } from "../../src/balance/picker.ts";
import { registerPicker } from "../../src/balance/select-mode.ts";
import type { Discovery, Endpoint } from "../../src/discovery/discovery.ts";
import { StaticDiscovery } from "../../src/discovery/static.ts";
import { RpcError } from "../../src/errors.ts";
import { XClient, type XClientOptions } from "../../src/xclient/xclient.ts";
import { ManualClock } from "../support/manual-clock.ts";
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

  test("refuses a name without a dot before anything is dialled", async () => {
    await using fleet = new Fleet();
    await using xc = client(fleet, [a]);
    for (const name of ["whoami", ".whoami", ""]) {
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
  all() {
    return this.#list;
  }
  async refresh() {}
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

  test("close closes the discovery", async () => {
    const discovery = new ListedByHand();
    const xc = new XClient(discovery);
    await xc.close();
    expect(discovery.isClosed).toBe(true);
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
    await expect(broadcast).rejects.toMatchObject({ code: "aborted" });
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
