import { availableParallelism, cpus, loadavg } from "node:os";

/** The machine and what else it was doing when the run began. */
export interface Machine {
  cores: number;
  /** As it calls itself; empty where it says nothing. */
  cpu: string;
  /** Over 1, 5 and 15 minutes. */
  loadAverage: readonly number[];
  bun: string;
  platform: string;
}

export function describeMachine(): Machine {
  const [first] = cpus();
  return {
    cores: availableParallelism(),
    cpu: first?.model.trim() ?? "",
    loadAverage: loadavg(),
    bun: Bun.version,
    platform: `${process.platform} ${process.arch}`,
  };
}
