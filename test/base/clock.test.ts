import { AsyncLocalStorage } from "node:async_hooks";
import { expect, spyOn, test } from "bun:test";
import { systemClock } from "../../src/base/clock.ts";

test("now is the monotonic clock's", () => {
  const before = performance.now();
  const now = systemClock.now();
  expect(now).toBeGreaterThanOrEqual(before);
  expect(now).toBeLessThanOrEqual(performance.now());
});

test("after runs once, not before its delay", async () => {
  const { promise, resolve } = Promise.withResolvers<number>();
  const start = systemClock.now();
  systemClock.after(2.5, () => resolve(systemClock.now()));
  expect((await promise) - start).toBeGreaterThanOrEqual(2.5);
});

test("a cancelled timer does not run, and cancelling one that ran is harmless", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let runs = 0;
  const timer = systemClock.after(0, () => runs++);
  timer.cancel();
  const second = systemClock.after(0, resolve);
  await promise;
  second.cancel();
  expect(runs).toBe(0);
});

test("a timer runs outside of the context in which it was made", async () => {
  const storage = new AsyncLocalStorage<string>();
  const { promise, resolve } = Promise.withResolvers<unknown>();
  storage.run("inside", () =>
    systemClock.after(0, () => resolve(storage.getStore() ?? "nothing")),
  );
  expect(await promise).toBe("nothing");
});

test("a delay longer than setTimeout takes is made of several", () => {
  const waits: { run: () => void; delayMs: number; isBackground: boolean }[] =
    [];
  const spy = spyOn(globalThis, "setTimeout").mockImplementation(((
    run: () => void,
    delayMs: number,
  ) => {
    const wait = { run, delayMs, isBackground: false };
    waits.push(wait);
    return {
      hasRef: () => !wait.isBackground,
      unref: () => (wait.isBackground = true),
    };
  }) as unknown as typeof setTimeout);
  try {
    let runs = 0;
    const longestMs = 2 ** 31 - 1;
    systemClock.after(longestMs + 10, () => runs++).unref();
    expect(waits[0]?.delayMs).toBe(longestMs);
    waits[0]?.run();
    expect(runs).toBe(0);
    expect(waits[1]).toMatchObject({ delayMs: 10, isBackground: true });
    waits[1]?.run();
    expect(runs).toBe(1);
  } finally {
    spy.mockRestore();
  }
});

test("an unref'd timer does not keep the process alive", async () => {
  const child = Bun.spawn([process.execPath, "-e", unrefScript], {
    cwd: import.meta.dir,
    stdout: "pipe",
  });
  expect(await child.stdout.text()).toBe("held\n");
  expect(await child.exited).toBe(0);
});

const unrefScript = `
  import { systemClock } from "../../src/base/clock.ts";
  systemClock.after(60_000, () => console.log("late")).unref();
  systemClock.after(0, () => console.log("held"));
`;
