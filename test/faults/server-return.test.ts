import { expect, setDefaultTimeout, test } from "bun:test";
import { restartOnly } from "./server-return.ts";

setDefaultTimeout(60_000);

test("when the only server is back at its address, every client is back, once", async () => {
  const { reconnects } = await restartOnly(20, "SIGKILL", 0);
  expect(reconnects).toBe(20);
});
