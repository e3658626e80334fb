import { expect, test } from "bun:test";
import { testRandom } from "../support/seed.ts";
import { killRegistry } from "./registry-kill.ts";

test("what a registry with a folder has acknowledged is there after a kill -9", async () => {
  const { acknowledgedCount, cutCount, ...wrong } = await killRegistry(
    4,
    testRandom(),
  );
  expect(wrong).toEqual({ lost: [], risen: [] });
  expect(acknowledgedCount).toBeGreaterThan(4);
  expect(cutCount).toBeGreaterThan(4);
}, 30_000);
