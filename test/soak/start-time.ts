import { buildExecutable, Program } from "../support/geerpc.ts";
import { median, report } from "./figures.ts";

export async function startTime(): Promise<void> {
  const { path, remove } = await buildExecutable();
  const times: number[] = [];
  for (let run = 0; run < 21; run++) {
    const startedAt = performance.now();
    await Program.run([path, "--version"], { cwd: import.meta.dir });
    times.push(performance.now() - startedAt);
  }
  await remove();
  report("geerpc --version, median of 21", median(times), { atMost: 30 }, "ms");
}
