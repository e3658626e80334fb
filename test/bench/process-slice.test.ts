import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measureProcesses } from "../../src/bench/process-slice.ts";
import { isAlive } from "../support/geerpc.ts";

const command = [process.execPath, join(import.meta.dir, "fake-geerpc.ts")];

interface Started {
  args: string[];
  pid: number;
}

let folder: string;
let runs = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "geerpc-slice-"));
});

afterAll(() => rm(folder, { recursive: true }));

/** One slice of the fake, and the processes that it started. */
function slice(mode: string, signal?: AbortSignal) {
  const record = join(folder, String(++runs));
  const figures = measureProcesses(command, {
    flags: ["--connections=3", "--codec=application/json"],
    inFlight: 64,
    durationMs: 500,
    env: { FAKE_RECORD: record, FAKE_MODE: mode },
    ...(signal ? { signal } : {}),
  });
  const started = async () => {
    const file = Bun.file(record);
    const text = (await file.exists()) ? await file.text() : "";
    const lines = text.split("\n").filter(Boolean);
    return lines.map((line) => JSON.parse(line) as Started);
  };
  return { figures, started };
}

test("a bench that calls a server of its own, and is gone when the slice is over", async () => {
  const { figures, started } = slice("");
  expect(await figures).toMatchObject({
    callsPerSecond: 64,
    cpuUsPerCall: 2.5,
  });
  const [bench, ...more] = await started();
  expect(more).toEqual([]);
  expect(bench?.args).toEqual([
    "bench",
    "--json",
    "--inflight=64",
    "--duration=500ms",
    "--connections=3",
    "--codec=application/json",
  ]);
  expect(isAlive(bench?.pid ?? 1)).toBe(false);
});

test.each([
  ["wrong", "wrong reply"],
  ["old", "unknown flag --case"],
  ["silent", ""],
  ["idle", ""],
  ["garbage", ""],
])("a bench that is of no use fails the slice: %s", async (mode, said) => {
  const thrown = await slice(mode).figures.catch((e) => e);
  expect(thrown).toMatchObject({ code: "unknown" });
  // What it said is told on.
  expect(thrown.message).toContain(said);
});

test("interrupted: it is gone", async () => {
  const controller = new AbortController();
  const { figures, started } = slice("hang", controller.signal);
  while ((await started()).length === 0) await Bun.sleep(2);
  controller.abort();
  expect(await figures.catch((e) => e)).toMatchObject({ code: "cancelled" });
  expect((await started()).filter(({ pid }) => isAlive(pid))).toEqual([]);
});
