import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  RegistryDiscovery,
  type RegistryDiscoveryOptions,
} from "../../src/discovery/registry.ts";
import type { RpcEvent } from "../../src/events.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";
import { FakeRegistry, listing, refused, type Reply } from "./fake-registry.ts";

// What a registry's list does without a file: registry.test.ts. Here it is kept.

const a = "tcp@10.0.0.1:4000";
const b = "tcp@10.0.0.2:4000";

let folder: string;
let keepIn: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "geerpc-kept-"));
  keepIn = join(folder, "list.json");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A process that begins, with the file that one before has left. */
function start(reply: Reply, options: RegistryDiscoveryOptions = {}) {
  const registry = new FakeRegistry(reply);
  const clock = new ManualClock();
  const events: RpcEvent[] = [];
  const discovery = new RegistryDiscovery("http://registry.test", {
    fetch: registry.fetch,
    clock,
    keepIn,
    random: () => 0.5,
    onEvent: (event) => void events.push(event),
    ...options,
  });
  const addresses = async () =>
    (await discovery.all()).map(({ address }) => address);
  /** The names of what events are about. */
  const told = () =>
    events.flatMap((event) =>
      event.kind === "discovery-failed" ? [event.registry] : [],
    );
  return { registry, clock, events, discovery, addresses, told };
}

/** Runs a process that learns of `addresses`. */
async function leave(...addresses: string[]): Promise<void> {
  const { discovery } = start(() => listing(...addresses));
  await discovery.all();
  discovery.close();
}

const url = "http://registry.test/_geerpc_/registry";

test("a start while the registry is away goes on with the kept list, and tells its age", async () => {
  await leave(a, b);
  const { addresses, events, told } = start(refused);
  expect(await addresses()).toEqual([a, b]);
  expect(told()).toEqual([url, keepIn]);
  expect(events[1]).toMatchObject({
    error: {
      code: "unavailable",
      sent: false,
      details: { ageMs: expect.any(Number), servers: 2 },
    },
  });
});

test("it is told once, and gives way to the first answer, which is told as well", async () => {
  await leave(a);
  const { registry, clock, addresses, events, told } = start(refused);
  await addresses();
  await clock.advance(250);
  await addresses();
  await settle();
  expect(told()).toEqual([url, keepIn, url]);
  registry.reply = () => listing(b);
  await clock.advance(400);
  await addresses();
  await settle();
  expect(await addresses()).toEqual([b]);
  expect(told()).toEqual([url, keepIn, url]);
  expect(events.slice(3)).toEqual([
    { kind: "list-restored", registry: url, servers: 1, afterMs: 650 },
  ]);
});

test("nobody is given it before the registry was asked, and none where it answers", async () => {
  await leave(a);
  const { registry, addresses, told } = start(() => listing());
  const answer = registry.hold(() => listing(b));
  const calls = [addresses(), addresses()];
  await settle();
  answer();
  for (const call of calls) expect(await call).toEqual([b]);
  expect(told()).toEqual([]);
});

test("a registry that lists nobody is doubted against it", async () => {
  await leave(a);
  const { clock, addresses, discovery, told } = start(() => listing());
  expect(await addresses()).toEqual([a]);
  expect(told()).toEqual([url, keepIn]);
  await clock.advance(30_000);
  await discovery.refresh();
  expect(await addresses()).toEqual([]);
});

test("a registry that has just begun takes nobody of it away", async () => {
  await leave(a);
  const { addresses } = start(() =>
    Response.json({
      servers: [{ address: b }],
      revision: "e.1",
      fillingForMs: 10_000,
    }),
  );
  expect(await addresses()).toEqual([a, b]);
});

test("a list set by hand stands above it, and is not kept", async () => {
  await leave(a);
  const { addresses, discovery, told } = start(refused);
  discovery.update([{ address: b, services: undefined }]);
  expect(await addresses()).toEqual([b]);
  await discovery.refresh().catch(() => {});
  expect(await addresses()).toEqual([b]);
  expect(told()).toEqual([url]);
  expect(await start(refused).addresses()).toEqual([a]);
});

test("a list set by hand, be it of nobody, outlives a failure of a request made before", async () => {
  const { registry, addresses, discovery } = start(refused);
  const answer = registry.hold(refused);
  const refreshed = discovery.refresh().catch(() => {});
  discovery.update([]);
  answer();
  await refreshed;
  expect(await addresses()).toEqual([]);
});

test("closing before the registry answered tells nothing", async () => {
  await leave(a);
  const { registry, clock, addresses, discovery, told } = start(refused);
  registry.hang();
  const failed = addresses().catch((error: unknown) => error);
  await settle();
  discovery.close();
  const error = await failed;
  expect(error).toMatchObject({ code: "unavailable", sent: false });
  // The discovery's own, not that of the request that was given up.
  expect((error as Error).cause).toBeUndefined();
  await settle();
  expect(told()).toEqual([]);
  expect(clock.timers).toBe(0);
});

describe("a file that is of no use", () => {
  test("is told, and the registry's failure is the caller's", async () => {
    await writeFile(keepIn, "{");
    const { addresses, told } = start(refused);
    const failed = await addresses().catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: "unavailable", sent: false });
    expect(told()).toEqual([keepIn, url]);
  });

  test("that cannot be written costs no call", async () => {
    const inFile = join(keepIn, "list.json");
    await writeFile(keepIn, "a file where a folder should be");
    const { addresses, told } = start(() => listing(a), { keepIn: inFile });
    expect(await addresses()).toEqual([a]);
    expect(told()).toContain(inFile);
  });
});
