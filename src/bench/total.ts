import { Histogram } from "../metrics/histogram.ts";
import type { SideSlice } from "./sides.ts";

/** What a side did in all of its slices. */
export class Total {
  readonly latenciesUs = new Histogram();
  done = 0;
  errors = 0;
  elapsedMs = 0;
  clientCpuUs = 0;
  serverCpuUs = 0;
  mostInFlight = 0;
  firstFailure: string | undefined;

  get cpuUs(): number {
    return this.clientCpuUs + this.serverCpuUs;
  }

  get cpuUsPerCall(): number {
    return this.cpuUs / Math.max(1, this.done);
  }

  add(slice: SideSlice, serverCpuUs: number): void {
    this.latenciesUs.add(slice.latenciesUs);
    this.done += slice.done;
    this.errors += slice.errors;
    this.elapsedMs += slice.elapsedMs;
    this.clientCpuUs += slice.clientCpuUs;
    this.serverCpuUs += serverCpuUs;
    this.mostInFlight = Math.max(this.mostInFlight, slice.mostInFlight ?? 0);
    this.firstFailure ??= slice.firstFailure;
  }
}
