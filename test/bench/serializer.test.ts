import { expect, test } from "bun:test";
import { runSerializer } from "../../src/bench/serializer.ts";

test("counts calls until the time is over, for each core that an end can have", () => {
  let passes = 0;
  const value = { toJSON: () => ++passes };
  const one = runSerializer(value, 2, 1);
  // An argument and a reply a call.
  expect(one.count).toBe(passes / 2);
  expect(one.elapsedMs).toBeGreaterThanOrEqual(2);
  passes = 0;
  expect(runSerializer(value, 2, 16).count).toBe(passes);
});
