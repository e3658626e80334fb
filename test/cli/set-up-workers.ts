import type { LogLine } from "../../src/cli/event-line.ts";
import type { ServerValues } from "../../src/cli/server.ts";
import { Workers } from "../../src/cli/workers/workers.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { FakeProcesses } from "./fake-workers.ts";

/** Workers whose processes are none, with a clock that is moved by hand. */
export function setUp({ count = 2, isReady = true } = {}) {
  const processes = new FakeProcesses();
  const clock = new ManualClock();
  const lines: LogLine[] = [];
  const workers = new Workers({
    count,
    spawn: processes.spawn,
    start: {
      listen: "tcp@127.0.0.1:7",
      files: [],
      values: { drainTimeout: 30_000 } as ServerValues,
    },
    isReady,
    log: { write: (line) => lines.push(line), onEvent: () => {} },
    clock,
    // No jitter: 250 ms, 400 ms, 640 ms.
    random: () => 0.5,
  });
  const events = () => lines.map(({ fields }) => fields["event"]);
  return { workers, processes, clock, lines, events };
}

/** Two workers that serve. */
export async function serving() {
  const all = setUp();
  all.processes.at(0).listen();
  all.processes.at(1).listen();
  await all.workers.started();
  return all;
}
