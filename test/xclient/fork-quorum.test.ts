import { describe, expect, test } from "bun:test";
import { StaticDiscovery } from "../../src/discovery/static.ts";
import { RpcError } from "../../src/errors.ts";
import { XClient } from "../../src/xclient/xclient.ts";
import { settle } from "../support/manual-clock.ts";
import { Fleet } from "./fleet.ts";

const all = ["tcp@a:1", "tcp@b:1", "tcp@c:1"] as const;
const [a, b, c] = all;

/** A service whose one call ends as the test says. */
function ending() {
  const end = Promise.withResolvers<unknown>();
  const service = {
    end,
    signal: undefined as AbortSignal | undefined,
    run: (_args: unknown, { signal }: { signal: AbortSignal }) => {
      service.signal = signal;
      return end.promise;
    },
  };
  return service;
}

function setUp() {
  const fleet = new Fleet();
  const services = all.map((address) => {
    const service = ending();
    fleet.add(address, service);
    return service;
  });
  const discovery = new StaticDiscovery(all);
  const xc = new XClient(discovery, { dial: fleet.dial });
  const aborted = () => services.map(({ signal }) => signal?.aborted);
  return { fleet, services, xc, discovery, aborted };
}

const no = (code: "aborted" | "not_found") => new RpcError(code, "no");
const failed = (call: Promise<unknown>) => call.catch((thrown) => thrown);

/** A stream of one item that does not end by itself, and tells when it is ended. */
function items() {
  let hasGiven = false;
  const stream = {
    isEnded: false,
    read: (): AsyncIterable<unknown> => ({
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          if (hasGiven) await new Promise(() => {});
          hasGiven = true;
          return { done: false, value: 1 };
        },
        return: async () => {
          stream.isEnded = true;
          return { done: true, value: undefined };
        },
      }),
    }),
  };
  return stream;
}

describe("fork", () => {
  test("gives the first reply and cancels the others", async () => {
    const { services, xc, aborted } = setUp();
    const reply = xc.fork("Foo.run");
    await settle();
    services[1]?.end.resolve("b");
    expect(await reply).toBe("b");
    await settle();
    expect(aborted()).toEqual([true, false, true]);
    await xc.close();
  });

  test("passes over failures while somebody is left", async () => {
    const { fleet, services, xc } = setUp();
    fleet.kill(c);
    const reply = xc.fork("Foo.run");
    await settle();
    services[0]?.end.reject(no("aborted"));
    await settle();
    services[1]?.end.resolve("b");
    expect(await reply).toBe("b");
    await xc.close();
  });

  test("fails once all have, as the first by address, and names them in the order of their ends", async () => {
    const { fleet, services, xc } = setUp();
    fleet.kill(c);
    const error = failed(xc.fork("Foo.run"));
    await settle();
    services[1]?.end.reject(no("not_found"));
    await settle();
    services[0]?.end.reject(no("aborted"));
    expect(await error).toMatchObject({
      code: "aborted",
      sent: true,
      attempts: [
        { address: c, code: "unavailable" },
        { address: b, code: "not_found" },
        { address: a, code: "aborted" },
      ],
    });
    await xc.close();
  });

  test("has not run where nobody could be reached", async () => {
    const { fleet, xc } = setUp();
    for (const address of all) fleet.kill(address);
    expect(await failed(xc.fork("Foo.run"))).toMatchObject({
      code: "unavailable",
      sent: false,
    });
    await xc.close();
  });

  test("a stream that wins goes on, another one is ended", async () => {
    const { services, xc } = setUp();
    const reply = xc.fork("Foo.run");
    await settle();
    const streams = [items(), items()];
    services[0]?.end.resolve(streams[0]?.read());
    services[1]?.end.resolve(streams[1]?.read());
    const won = (await reply) as AsyncIterableIterator<unknown>;
    expect((await won.next()).value).toBe(1);
    await settle();
    expect(streams.map(({ isEnded }) => isEnded)).toEqual([false, true]);
    await won.return?.();
    await xc.close();
  });

  test("ends with its caller's signal", async () => {
    const { xc, aborted } = setUp();
    const abort = new AbortController();
    const { signal } = abort;
    const error = failed(xc.fork("Foo.run", undefined, { signal }));
    await settle();
    abort.abort();
    expect(await error).toMatchObject({ code: "cancelled" });
    await settle();
    expect(aborted()).toEqual([true, true, true]);
    await xc.close();
  });
});

describe("quorum", () => {
  test("gives so many replies in the order in which they came, and cancels nobody", async () => {
    const { services, xc, aborted } = setUp();
    const replies = xc.quorum(2, "Foo.run");
    await settle();
    services[2]?.end.resolve("c");
    await settle();
    services[0]?.end.resolve("a");
    expect([...(await replies)]).toEqual([
      [c, "c"],
      [a, "a"],
    ]);
    await settle();
    expect(aborted()).toEqual([false, false, false]);
    services[1]?.end.resolve("b");
    await settle();
    expect((await replies).size).toBe(2);
    await xc.close();
  });

  test("bears as many failures as leave enough", async () => {
    const { fleet, services, xc } = setUp();
    fleet.kill(b);
    const replies = xc.quorum(2, "Foo.run");
    await settle();
    services[0]?.end.resolve("a");
    services[2]?.end.resolve("c");
    expect([...(await replies).keys()].sort()).toEqual([a, c]);
    await xc.close();
  });

  test("fails with the one that makes it impossible, without waiting for the rest", async () => {
    const { fleet, services, xc } = setUp();
    fleet.kill(b);
    const error = failed(xc.quorum(2, "Foo.run"));
    await settle();
    services[2]?.end.reject(no("aborted"));
    expect(await error).toMatchObject({
      code: "aborted",
      sent: true,
      attempts: [
        { address: b, code: "unavailable" },
        { address: c, code: "aborted" },
      ],
    });
    await xc.close();
  });

  test("may have run where somebody has not failed, though all that failed have not", async () => {
    const { fleet, xc } = setUp();
    for (const address of [b, c]) fleet.kill(address);
    expect(await failed(xc.quorum(2, "Foo.run"))).toMatchObject({
      code: "unavailable",
      sent: true,
    });
    fleet.kill(a);
    await settle();
    expect(await failed(xc.quorum(1, "Foo.run"))).toMatchObject({
      sent: false,
    });
    await xc.close();
  });

  test("may have run where one of those that failed may have", async () => {
    const { fleet, services, xc } = setUp();
    for (const address of [b, c]) fleet.kill(address);
    const error = failed(xc.quorum(1, "Foo.run"));
    await settle();
    services[0]?.end.reject(no("aborted"));
    expect(await error).toMatchObject({ code: "aborted", sent: true });
    await xc.close();
  });

  test("streams that nobody gets are ended: late ones, and those of a quorum that failed", async () => {
    const late = setUp();
    const replies = late.xc.quorum(1, "Foo.run");
    await settle();
    late.services[0]?.end.resolve("a");
    await replies;
    const lateItems = items();
    late.services[1]?.end.resolve(lateItems.read());
    await settle();
    expect(lateItems.isEnded).toBe(true);
    await late.xc.close();

    const lost = setUp();
    const error = failed(lost.xc.quorum(3, "Foo.run"));
    await settle();
    const lostItems = items();
    lost.services[0]?.end.resolve(lostItems.read());
    await settle();
    lost.services[1]?.end.reject(no("aborted"));
    await error;
    await settle();
    expect(lostItems.isEnded).toBe(true);
    await lost.xc.close();
  });

  test("refuses a count that is none, and one that there are no servers for, before it asks", async () => {
    const { fleet, xc } = setUp();
    for (const count of [0, -1, 1.5, Number.NaN]) {
      expect(await failed(xc.quorum(count, "Foo.run"))).toMatchObject({
        code: "invalid_argument",
      });
    }
    expect(await failed(xc.quorum(4, "Foo.run"))).toMatchObject({
      code: "unavailable",
      sent: false,
    });
    expect(fleet.dials).toEqual([]);
    await xc.close();
  });
});

test("neither sends a stream to several servers", async () => {
  const { xc } = setUp();
  const given = items();
  for (const call of [
    xc.fork("Foo.run", given.read()),
    xc.quorum(1, "Foo.run", given.read()),
  ]) {
    expect(await failed(call)).toMatchObject({ code: "invalid_argument" });
  }
  await xc.close();
});
