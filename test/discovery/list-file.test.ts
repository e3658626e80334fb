import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Endpoint } from "../../src/discovery/discovery.ts";
import { ListFile } from "../../src/discovery/list-file.ts";
import { ManualClock } from "../support/manual-clock.ts";

const a: Endpoint = { address: "tcp@10.0.0.1:4000", services: undefined };
const b: Endpoint = {
  address: "tcp@10.0.0.2:4000",
  services: ["Foo"],
  weight: 2,
  zone: "east",
};
const source = "http://one.test/";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "geerpc-list-"));
  path = join(folder, "deep", "list.json");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function open(sources: readonly string[] = [source]) {
  const clock = new ManualClock();
  return { clock, file: new ListFile(path, sources, clock) };
}

function saved(told: object): Promise<void> {
  return writeFile(path, JSON.stringify(told));
}

test("what is kept is read again, without loads, and by its owner alone", async () => {
  open().file.keep([a, { ...b, load: 0.5 }]);
  expect(open().file.read()).toEqual({
    endpoints: [a, b],
    ageMs: expect.any(Number),
  });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(dirname(path))).toEqual(["list.json"]);
});

test("no file is nothing", () => {
  expect(open().file.read()).toBeUndefined();
});

test("tells how old it is", async () => {
  await mkdir(dirname(path));
  const ageOf = async (savedAt: number) => {
    const date = new Date(savedAt).toISOString();
    await saved({ savedAt: date, sources: [source], servers: [a] });
    return open().file.read()?.ageMs ?? NaN;
  };
  const hourMs = 3_600_000;
  const ageMs = await ageOf(Date.now() - hourMs);
  expect(ageMs).toBeGreaterThanOrEqual(hourMs);
  expect(ageMs).toBeLessThan(2 * hourMs);
  expect(await ageOf(Date.now() + hourMs)).toBe(0);
});

test("is read where one of its sources is asked still", () => {
  open(["http://one.test/", "http://two.test/"]).file.keep([a]);
  const endpointsFor = (source: string) =>
    open([source]).file.read()?.endpoints;
  expect(endpointsFor("http://two.test/")).toEqual([a]);
  expect(endpointsFor("http://three.test/")).toBeUndefined();
});

describe("writing", () => {
  const isWritten = async () => {
    const isThere = await Bun.file(path).exists();
    await rm(path, { force: true });
    return isThere;
  };

  test("happens when the list is another one, or each minute", async () => {
    const { clock, file } = open();
    file.keep([a]);
    expect(await isWritten()).toBe(true);
    await clock.advance(59_999);
    file.keep([{ ...a, load: 1 }]);
    expect(await isWritten()).toBe(false);
    await clock.advance(1);
    file.keep([a]);
    expect(await isWritten()).toBe(true);
    file.keep([a, b]);
    expect(await isWritten()).toBe(true);
  });

  test("leaves out a list of nobody", async () => {
    const { file } = open();
    file.keep([]);
    expect(await isWritten()).toBe(false);
  });

  test("fails as unavailable, and is not tried again for a minute", async () => {
    await writeFile(join(folder, "deep"), "a file where a folder should be");
    const { clock, file } = open();
    const failed = () =>
      expect(() => file.keep([a])).toThrow(
        expect.objectContaining({ code: "unavailable", sent: false }),
      );
    failed();
    file.keep([a]);
    await clock.advance(60_000);
    failed();
  });

  test("leaves nothing beside where another file cannot take its place", async () => {
    await mkdir(path, { recursive: true });
    const { file } = open();
    expect(() => file.keep([a])).toThrow(
      expect.objectContaining({ code: "unavailable", sent: false }),
    );
    expect(await readdir(dirname(path))).toEqual(["list.json"]);
  });
});

test("what is no kept list is refused", async () => {
  await mkdir(dirname(path));
  const savedAt = new Date().toISOString();
  const padding = " ".repeat(4 * 1024 * 1024);
  const spoils = [
    () => writeFile(path, ""),
    () => writeFile(path, `{"savedAt":"${savedAt}","sources":["${source}`),
    () => saved({ savedAt, sources: [source], servers: [] }),
    () => saved({ savedAt: "today", sources: [source], servers: [a] }),
    () => saved({ savedAt, servers: [a] }),
    () => saved({ savedAt, sources: [source], servers: [a], padding }),
    () => rm(path).then(() => mkdir(path)),
  ];
  for (const spoil of spoils) {
    await spoil();
    expect(() => open().file.read()).toThrow(
      expect.objectContaining({ code: "unavailable", sent: false }),
    );
  }
});
