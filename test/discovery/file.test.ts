import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { AsyncLocalStorage } from "node:async_hooks";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import {
  FileDiscovery,
  type FileDiscoveryOptions,
  type WatchFolder,
} from "../../src/discovery/file.ts";
import type { RpcEvent } from "../../src/events.ts";
import { ManualClock } from "../support/manual-clock.ts";

const a = "tcp@10.0.0.1:4000";
const b = "tcp@10.0.0.2:4000";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "geerpc-file-"));
  path = join(folder, "servers");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Watches by hand: who watches what, and what they are told. */
class FakeWatches {
  readonly folders: string[] = [];
  open = 0;
  tell: (name: string | null) => void = () => {};
  lose: () => void = () => {};

  readonly watchFolder: WatchFolder = (watched, onChange, onGone) => {
    this.folders.push(watched);
    this.open++;
    this.tell = onChange;
    this.lose = onGone;
    return { close: () => void this.open-- };
  };
}

function setUp(options: FileDiscoveryOptions = {}, target = `file:${path}`) {
  const clock = new ManualClock();
  const watches = new FakeWatches();
  const events: RpcEvent[] = [];
  const discovery = new FileDiscovery(target, {
    clock,
    random: () => 0.5,
    watchFolder: watches.watchFolder,
    onEvent: (event) => void events.push(event),
    ...options,
  });
  const addresses = async () =>
    (await discovery.all()).map(({ address }) => address);
  return { clock, watches, events, discovery, addresses };
}

/** What one refresh finds. */
async function refreshed({ discovery, addresses }: ReturnType<typeof setUp>) {
  await discovery.refresh();
  return addresses();
}

test("reads lines or JSON, of a path or of a URL", async () => {
  const spaced = join(folder, "all servers");
  await writeFile(spaced, `{"servers":[{"address":"${b}","zone":"z"}]}`);
  const byUrl = setUp({}, pathToFileURL(spaced).href);
  expect(await byUrl.discovery.all()).toEqual([
    { address: b, services: undefined, zone: "z" },
  ]);
  await writeFile(path, `${b}\n${a}\n`);
  expect(await setUp().addresses()).toEqual([a, b]);
});

test("what is no file is refused", () => {
  for (const target of ["file:", "file://elsewhere/servers"]) {
    expect(() => new FileDiscovery(target)).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  }
});

describe("the poll", () => {
  test("reads again when the list is 10 s old", async () => {
    await writeFile(path, a);
    const set = setUp();
    expect(await set.addresses()).toEqual([a]);
    await writeFile(path, b);
    await set.clock.advance(9_999);
    await set.addresses();
    expect(await set.addresses()).toEqual([a]);
    await set.clock.advance(1);
    await set.addresses();
    expect(await refreshed(set)).toEqual([b]);
  });
});

describe("the watch", () => {
  /** Waits until the discovery has read again: `refresh` joins what is under way. */
  async function afterChange(set: ReturnType<typeof setUp>) {
    await set.clock.advance(50);
    return refreshed(set);
  }

  test("a change is read 50 ms later, once for several", async () => {
    await writeFile(path, a);
    const set = setUp();
    await set.addresses();
    expect(set.watches.folders).toEqual([folder]);
    await writeFile(path, b);
    for (const name of ["servers", null, "..data", "servers"]) {
      set.watches.tell(name);
    }
    expect(set.clock.timers).toBe(1);
    await set.clock.advance(49);
    expect(await set.addresses()).toEqual([a]);
    expect(await afterChange(set)).toEqual([b]);
    expect(set.clock.timers).toBe(0);
    expect(set.watches.folders).toEqual([folder]);
  });

  test("what happens to other files is nothing to it", async () => {
    await writeFile(path, a);
    const { clock, watches, addresses } = setUp();
    await addresses();
    watches.tell("another");
    expect(clock.timers).toBe(0);
  });

  test("the link of a mounted folder is as good as the file", async () => {
    await writeFile(path, a);
    const set = setUp();
    await set.addresses();
    await writeFile(path, b);
    set.watches.tell("..data");
    expect(set.clock.timers).toBe(1);
    expect(await afterChange(set)).toEqual([b]);
  });

  test("a change during a read is read after it", async () => {
    await writeFile(path, a);
    const clock = new ManualClock();
    const pauses: (() => void)[] = [];
    const after = (delayMs: number, run: () => void) => {
      if (delayMs === 50) pauses.push(run);
      return clock.after(delayMs, run);
    };
    const { watches, discovery, addresses } = setUp({
      clock: { now: () => clock.now(), after },
    });
    await addresses();
    watches.tell(null);
    const reading = discovery.refresh();
    pauses[0]?.();
    expect(pauses).toHaveLength(2);
    await reading;
    await writeFile(path, b);
    const { timers } = clock;
    pauses[1]?.();
    // The limit of the read that has begun.
    expect(clock.timers).toBe(timers + 1);
    await discovery.refresh();
    expect(await addresses()).toEqual([b]);
    expect(pauses).toHaveLength(2);
  });

  test("begins anew after it was lost, and where the folder had gone", async () => {
    await writeFile(path, a);
    const set = setUp();
    await set.addresses();
    set.watches.lose();
    expect(set.watches.open).toBe(0);
    await set.discovery.refresh();
    expect(set.watches.open).toBe(1);
    await rm(folder, { recursive: true });
    await set.discovery.refresh().catch(() => {});
    expect(set.watches.open).toBe(0);
    await mkdir(folder);
    await writeFile(path, b);
    expect(await refreshed(set)).toEqual([b]);
    expect(set.watches.open).toBe(1);
  });

  test("is none where it is turned off, or where none can be had", async () => {
    await writeFile(path, a);
    const off = setUp({ watch: false });
    expect(await off.addresses()).toEqual([a]);
    expect(off.watches.folders).toEqual([]);
    const refusing = setUp({
      watchFolder: () => {
        throw new Error("ENOSPC");
      },
    });
    expect(await refusing.addresses()).toEqual([a]);
    expect(refusing.events).toEqual([]);
  });

  test("begins outside of the call that came first", async () => {
    await writeFile(path, a);
    const calls = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const { addresses } = setUp({
      watchFolder: () => {
        seen.push(calls.getStore());
        return { close() {} };
      },
    });
    await calls.run("a call", addresses);
    expect(seen).toEqual([undefined]);
  });

  test("closing ends it, and what it tells then is nothing", async () => {
    await writeFile(path, a);
    for (const hasTold of [true, false]) {
      const { clock, watches, discovery, addresses } = setUp();
      await addresses();
      if (hasTold) watches.tell(null);
      discovery.close();
      expect(watches.open).toBe(0);
      watches.tell(null);
      expect(clock.timers).toBe(0);
    }
  });
});

describe("a file that is no list", () => {
  test("keeps the last good one, and is told", async () => {
    await writeFile(path, a);
    const set = setUp();
    await set.addresses();
    const spoils = [
      () => writeFile(path, `${a}\nnonsense\n`),
      () => writeFile(path, `{"servers":[`),
      () => writeFile(path, Buffer.alloc(4 * 1024 * 1024 + 1, "\n")),
      () => rm(path),
      () => mkdir(path),
    ];
    for (const spoil of spoils) {
      await spoil();
      const failed = await set.discovery.refresh().catch((error) => error);
      expect(failed).toMatchObject({ code: "unavailable", sent: false });
      expect(await set.addresses()).toEqual([a]);
    }
    expect(set.events).toHaveLength(spoils.length);
    expect(set.events[0]).toMatchObject({
      kind: "discovery-failed",
      registry: `file:${path}`,
    });
  });

  test("an empty one may be half-written", async () => {
    await writeFile(path, a);
    const set = setUp();
    await set.addresses();
    await writeFile(path, "");
    expect(await refreshed(set)).toEqual([a]);
    await set.clock.advance(30_000);
    expect(await refreshed(set)).toEqual([]);
  });
});

test("a real watch tells of a file that takes another's place", async () => {
  await writeFile(path, a);
  const hasChanged = Promise.withResolvers<void>();
  const { watch } = await import("node:fs");
  const set = setUp({
    watchFolder(watched, onChange) {
      return watch(watched, { persistent: false }, (_kind, name) => {
        onChange(name);
        if (name === "servers") hasChanged.resolve();
      });
    },
  });
  await set.addresses();
  await writeFile(`${path}.new`, b);
  await rename(`${path}.new`, path);
  await hasChanged.promise;
  await set.clock.advance(50);
  expect(await refreshed(set)).toEqual([b]);
  set.discovery.close();
});

test("nothing keeps the process alive, with or without close", async () => {
  await writeFile(path, a);
  const script = `
    import { FileDiscovery } from "../../src/discovery/file.ts";
    const discovery = new FileDiscovery(${JSON.stringify(`file:${path}`)});
    console.log((await discovery.all()).length);
  `;
  const child = Bun.spawn([process.execPath, "-e", script], {
    cwd: import.meta.dir,
    stdout: "pipe",
  });
  expect(await child.stdout.text()).toBe("1\n");
  expect(await child.exited).toBe(0);
});
