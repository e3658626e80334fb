import { join } from "node:path";
import type { BenchOptions } from "../../src/bench/bench.ts";
import { benchCase } from "../../src/bench/cases.ts";

/** What starts the measured process. */
export const command = [process.execPath, join(import.meta.dir, "serve.ts")];

/** What starts a process that makes load. */
export const loadCommand = [process.execPath, join(import.meta.dir, "load.ts")];

/** Long enough for some calls. */
export const shortRun: BenchOptions = {
  benchCase: benchCase("sum"),
  codec: "application/x-geerpc",
  connections: 1,
  inFlight: [1, 16],
  durationMs: 40,
  target: { command },
};
