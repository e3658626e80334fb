import { expect, setDefaultTimeout, test } from "bun:test";
import { allowedAttempts, failEverything } from "./server-failure.ts";

setDefaultTimeout(60_000);

test("servers that fail everything are not asked much more for that reason", async () => {
  const failures = await failEverything(16, 600);
  const { calls, failed, attempts } = failures;
  expect(failed).toBe(calls);
  expect(attempts).toBeGreaterThan(calls);
  expect(attempts).toBeLessThanOrEqual(allowedAttempts(failures));
});
