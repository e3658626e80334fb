import { expect, test } from "bun:test";
import type { Client } from "../../src/client/client.ts";
import { RpcError } from "../../src/errors.ts";
import type { RpcEvent } from "../../src/events.ts";
import { ClientPool } from "../../src/xclient/client-pool.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";
import { testRandom } from "../support/seed.ts";
import { Fleet, foo } from "./fleet.ts";

const near = "tcp@near:1";
const far = "tcp@far:1";

/** The address as a server that does not tell its services. */
const at = (address: string) => ({ address, services: undefined });

test("an address is dialled once however many callers wait", async () => {
  await using fleet = new Fleet();
  fleet.add(near, foo("near"));
  const open = fleet.hold(near);
  const pool = new ClientPool({}, 1, fleet.dial);
  const waiting = Array.from({ length: 20 }, () => pool.get(at(near)));
  expect(fleet.dials).toEqual([near]);
  open();
  const clients = await Promise.all(waiting);
  expect(new Set(clients).size).toBe(1);
  expect(pool.get(at(near))).toBe(clients[0] as Client);
  await pool.close();
});

test("a client that is no longer available is dialled anew", async () => {
  await using fleet = new Fleet();
  fleet.add(near, foo("near"));
  const pool = new ClientPool({}, 1, fleet.dial);
  const first = await pool.get(at(near));
  await first.close();
  const second = await pool.get(at(near));
  expect(second).not.toBe(first);
  expect(second.isAvailable).toBe(true);
  expect(fleet.dials).toEqual([near, near]);
  await pool.close();
});

test("a failed dial fails its callers, and the next caller dials again", async () => {
  await using fleet = new Fleet();
  const pool = new ClientPool({}, 1, fleet.dial);
  await expect(Promise.resolve(pool.get(at(near)))).rejects.toMatchObject({
    code: "unavailable",
    sent: false,
  });
  fleet.add(near, foo("near"));
  expect((await pool.get(at(near))).isAvailable).toBe(true);
  await pool.close();
});

test("a slow address holds up nobody else", async () => {
  await using fleet = new Fleet();
  fleet.add(near, foo("near"));
  fleet.add(far, foo("far"));
  const open = fleet.hold(far);
  const pool = new ClientPool({}, 1, fleet.dial);
  const slow = pool.get(at(far));
  const client = await pool.get(at(near));
  expect(await client.call("Foo.whoami")).toBe("near");
  open();
  expect(await (await slow).call("Foo.whoami")).toBe("far");
  await pool.close();
});

test("several connections to an address are used in turns", async () => {
  await using fleet = new Fleet();
  const server = fleet.add(near, foo("near"));
  const pool = new ClientPool({}, 3, fleet.dial);
  const clients = await Promise.all(
    [near, near, near].map((a) => pool.get(at(a))),
  );
  expect(new Set(clients).size).toBe(3);
  expect(server.connectionCount).toBe(3);
  const again = [pool.get(at(near)), pool.get(at(near)), pool.get(at(near))];
  expect(again).toEqual(clients);
  expect(fleet.dials.length).toBe(3);
  await pool.close();
});

test("an address that has left keeps its client while a call is in flight, and not longer", async () => {
  await using fleet = new Fleet();
  const service = foo("near");
  fleet.add(near, service);
  const pool = new ClientPool({}, 1, fleet.dial);
  const client = await pool.get(at(near));
  const call = client.call("Foo.wait");
  pool.retain(new Set([far]));
  // An answered call shows that the one before it has reached its handler.
  await client.call("Foo.whoami");
  pool.called();
  expect(client.isAvailable).toBe(true);
  service.waits[0]?.finish("late");
  expect(await call).toBe("late");
  pool.called();
  expect(client.isAvailable).toBe(false);
  await client.closed;
  await pool.close();
});

test("an address that has left and come back keeps its client", async () => {
  await using fleet = new Fleet();
  const service = foo("near");
  fleet.add(near, service);
  const pool = new ClientPool({}, 1, fleet.dial);
  const client = await pool.get(at(near));
  const call = client.call("Foo.wait");
  await client.call("Foo.whoami");
  pool.retain(new Set([far]));
  pool.retain(new Set([near]));
  service.waits[0]?.finish("done");
  await call;
  pool.called();
  expect(pool.get(at(near))).toBe(client);
  await pool.close();
});

test("an address that leaves while it is dialled serves those who waited, then goes", async () => {
  const clock = new ManualClock();
  await using fleet = new Fleet(clock);
  fleet.add(near, foo("near"));
  const open = fleet.hold(near);
  const pool = new ClientPool({ clock }, 1, fleet.dial);
  const dialling = Promise.resolve(pool.get(at(near)));
  pool.retain(new Set([far]));
  open();
  const client = await dialling;
  expect(await client.call("Foo.whoami")).toBe("near");
  await clock.advance(0);
  expect(client.isAvailable).toBe(false);
  await pool.close();
});

test("a failed dial makes its address down until one succeeds; it is dialled again behind calls, once per backoff", async () => {
  const clock = new ManualClock();
  await using fleet = new Fleet(clock);
  const random = () => 0.5;
  const pool = new ClientPool({ clock, random }, 1, fleet.dial);
  await Promise.resolve(pool.get(at(near))).catch(() => {});
  const { down } = pool;
  expect([...down]).toEqual([near]);
  const dialledAt = [clock.now()];
  for (let ms = 0; ms < 3_000; ms += 10) {
    const { length } = fleet.dials;
    pool.probe();
    if (fleet.dials.length > length) dialledAt.push(clock.now());
    await clock.advance(10);
  }
  const gaps = dialledAt.map((at, i) => at - (dialledAt[i - 1] ?? at)).slice(1);
  expect(gaps).toEqual([250, 400, 640, 1_030]);
  fleet.add(near, foo("near"));
  await clock.advance(2_000);
  pool.probe();
  await settle();
  expect(pool.down.size).toBe(0);
  expect(await (await pool.get(at(near))).call("Foo.whoami")).toBe("near");
  await pool.close();
});

test("a connection that cannot be made holds up nobody while the address has another", async () => {
  const clock = new ManualClock();
  await using fleet = new Fleet(clock);
  fleet.add(near, foo("near"));
  const pool = new ClientPool({ clock }, 2, fleet.dial);
  const client = await pool.get(at(near));
  fleet.refuse(near, new RpcError("resource_exhausted", "too many"));
  await Promise.resolve(pool.get(at(near))).catch(() => {});
  expect(pool.down.size).toBe(0);
  expect(fleet.dials.length).toBe(2);
  for (let call = 0; call < 10; call++) {
    expect(pool.get(at(near))).toBe(client);
  }
  expect(fleet.dials.length).toBe(2);
  fleet.refuse(near, undefined);
  await clock.advance(1_000);
  for (let call = 0; call < 2; call++) pool.get(at(near));
  await settle();
  expect(fleet.dials.length).toBe(3);
  expect(pool.get(at(near))).not.toBe(pool.get(at(near)));
  await pool.close();
});

test("connections that come, are lost and cannot be made are told", async () => {
  const clock = new ManualClock();
  await using fleet = new Fleet(clock);
  const events: RpcEvent[] = [];
  fleet.add(near, foo("near"));
  const pool = new ClientPool(
    { clock, random: () => 0.5, onEvent: (event) => void events.push(event) },
    1,
    fleet.dial,
  );
  const first = await pool.get(at(near));
  expect(events.splice(0)).toEqual([{ kind: "connected", address: near }]);
  fleet.kill(near);
  await first.closed;
  await settle();
  expect(events.splice(0)).toEqual([
    { kind: "disconnected", address: near, error: expect.any(RpcError) },
  ]);
  await Promise.resolve(pool.get(at(near))).catch(() => {});
  expect(events.splice(0)).toEqual([
    {
      kind: "dial-failed",
      address: near,
      error: expect.any(RpcError),
      retryInMs: 1_250,
    },
  ]);
  fleet.add(near, foo("near"));
  const dialling = pool.get(at(near));
  await clock.advance(1_250);
  const second = await dialling;
  await pool.close();
  await second.closed;
  await settle();
  // What the pool ends itself is no loss.
  expect(events).toEqual([{ kind: "connected", address: near }]);
});

test("a server that was lost is dialled at once, and then 0.5 to 2 s apart, whoever asks", async () => {
  const clock = new ManualClock();
  await using fleet = new Fleet(clock);
  fleet.add(near, foo("near"));
  // Of each failed dial the backoff draws first.
  const draws = [0, 0, 0, 0.999];
  const random = () => draws.shift() ?? 0.5;
  const pool = new ClientPool({ clock, random }, 1, fleet.dial);
  const ask = () => {
    pool.probe();
    return Promise.resolve(pool.get(at(near))).catch(() => {});
  };
  await ask();
  fleet.kill(near);
  await settle();
  await ask();
  expect(fleet.dials).toHaveLength(2);
  for (const waitMs of [500, 1_998.5, 1_250]) {
    const { length } = fleet.dials;
    await clock.advance(waitMs - 1);
    const asked = [ask(), ask()];
    await clock.advance(0.9);
    expect(fleet.dials).toHaveLength(length);
    await clock.advance(0.1);
    await Promise.all(asked);
    expect(fleet.dials).toHaveLength(length + 1);
  }
  await pool.close();
});

test("a thousand clients that lose their only server do not come back at once", async () => {
  const clientCount = 1_000;
  const clock = new ManualClock();
  const random = testRandom();
  await using fleet = new Fleet(clock);
  fleet.add(near, foo("near"));
  const connectedAt: number[] = [];
  const pools = Array.from(
    { length: clientCount },
    () =>
      new ClientPool(
        {
          clock,
          random,
          onEvent({ kind }) {
            if (kind === "connected") connectedAt.push(clock.now());
          },
        },
        1,
        fleet.dial,
      ),
  );
  const dialAll = () =>
    pools.map((pool) => Promise.resolve(pool.get(at(near))).catch(() => {}));
  await Promise.all(dialAll());
  fleet.kill(near);
  await settle();
  connectedAt.length = 0;
  await Promise.all(dialAll());
  fleet.add(near, foo("near"));
  const back = Promise.all(dialAll());
  await clock.advance(2_000);
  await back;
  expect(connectedAt).toHaveLength(clientCount);
  const most = Math.max(
    ...connectedAt.map(
      (from) =>
        connectedAt.filter((at) => at >= from && at < from + 100).length,
    ),
  );
  expect(most).toBeLessThanOrEqual(0.15 * clientCount);
  await Promise.all(pools.map((pool) => pool.close()));
});

test("close ends a wait for the next dial", async () => {
  const clock = new ManualClock();
  await using fleet = new Fleet(clock);
  fleet.add(near, foo("near"));
  const pool = new ClientPool({ clock }, 1, fleet.dial);
  await pool.get(at(near));
  fleet.kill(near);
  await settle();
  await Promise.resolve(pool.get(at(near))).catch(() => {});
  const waiting = Promise.resolve(pool.get(at(near))).catch((thrown) => thrown);
  await pool.close();
  expect(await waiting).toMatchObject({ code: "unavailable", sent: false });
  expect(clock.timers).toBe(0);
  expect(fleet.dials).toHaveLength(2);
});

test("close ends clients and gives up dials", async () => {
  await using fleet = new Fleet();
  fleet.add(near, foo("near"));
  fleet.add(far, foo("far"));
  const open = fleet.hold(far);
  const pool = new ClientPool({}, 1, fleet.dial);
  const client = await pool.get(at(near));
  const dialling = Promise.resolve(pool.get(at(far)));
  await pool.close();
  expect(client.isAvailable).toBe(false);
  open();
  await expect(dialling).rejects.toMatchObject({ code: "unavailable" });
});
