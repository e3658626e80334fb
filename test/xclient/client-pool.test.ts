import { expect, test } from "bun:test";
import type { Client } from "../../src/client/client.ts";
import { ClientPool } from "../../src/xclient/client-pool.ts";
import { Fleet, foo } from "./fleet.ts";

const near = "tcp@near:1";
const far = "tcp@far:1";

test("an address is dialled once however many callers wait", async () => {
  await using fleet = new Fleet();
  fleet.add(near, foo("near"));
  const open = fleet.hold(near);
  const pool = new ClientPool({}, 1, fleet.dial);
  const waiting = Array.from({ length: 20 }, () => pool.get(near));
  expect(fleet.dials).toEqual([near]);
  open();
  const clients = await Promise.all(waiting);
  expect(new Set(clients).size).toBe(1);
  expect(pool.get(near)).toBe(clients[0] as Client);
  await pool.close();
});

test("a client that is no longer available is dialled anew", async () => {
  await using fleet = new Fleet();
  fleet.add(near, foo("near"));
  const pool = new ClientPool({}, 1, fleet.dial);
  const first = await pool.get(near);
  await first.close();
  const second = await pool.get(near);
  expect(second).not.toBe(first);
  expect(second.isAvailable).toBe(true);
  expect(fleet.dials).toEqual([near, near]);
  await pool.close();
});

test("a failed dial fails its callers, and the next caller dials again", async () => {
  await using fleet = new Fleet();
  const pool = new ClientPool({}, 1, fleet.dial);
  await expect(Promise.resolve(pool.get(near))).rejects.toMatchObject({
    code: "unavailable",
    sent: false,
  });
  fleet.add(near, foo("near"));
  expect((await pool.get(near)).isAvailable).toBe(true);
  await pool.close();
});

test("a slow address holds up nobody else", async () => {
  await using fleet = new Fleet();
  fleet.add(near, foo("near"));
  fleet.add(far, foo("far"));
  const open = fleet.hold(far);
  const pool = new ClientPool({}, 1, fleet.dial);
  const slow = pool.get(far);
  const client = await pool.get(near);
  expect(await client.call("Foo.whoami")).toBe("near");
  open();
  expect(await (await slow).call("Foo.whoami")).toBe("far");
  await pool.close();
});

test("several connections to an address are used in turns", async () => {
  await using fleet = new Fleet();
  const server = fleet.add(near, foo("near"));
  const pool = new ClientPool({}, 3, fleet.dial);
  const clients = await Promise.all([near, near, near].map((a) => pool.get(a)));
  expect(new Set(clients).size).toBe(3);
  expect(server.connectionCount).toBe(3);
  const again = [pool.get(near), pool.get(near), pool.get(near)];
  expect(again).toEqual(clients);
  expect(fleet.dials.length).toBe(3);
  await pool.close();
});

test("an address that has left keeps its client while a call is in flight", async () => {
  await using fleet = new Fleet();
  const service = foo("near");
  fleet.add(near, service);
  const pool = new ClientPool({}, 1, fleet.dial);
  const client = await pool.get(near);
  const call = client.call("Foo.wait");
  pool.retain(new Set([far]));
  expect(client.isAvailable).toBe(true);
  // An answered call shows that the one before it has reached its handler.
  await client.call("Foo.whoami");
  service.waits[0]?.finish("late");
  expect(await call).toBe("late");
  pool.retain(new Set([far]));
  expect(client.isAvailable).toBe(false);
  await client.closed;
  await pool.close();
});

test("close ends clients and gives up dials", async () => {
  await using fleet = new Fleet();
  fleet.add(near, foo("near"));
  fleet.add(far, foo("far"));
  const open = fleet.hold(far);
  const pool = new ClientPool({}, 1, fleet.dial);
  const client = await pool.get(near);
  const dialling = Promise.resolve(pool.get(far));
  await pool.close();
  expect(client.isAvailable).toBe(false);
  open();
  await expect(dialling).rejects.toMatchObject({ code: "unavailable" });
});
