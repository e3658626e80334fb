import type { CaseReport } from "./case-report.ts";
import type { BenchCase } from "./cases.ts";
import type { Connections } from "./connections.ts";
import type { Side, Sides, SideSlice } from "./sides.ts";
import {
  median,
  perSecondOf,
  planSlices,
  rateOf,
  ratioOf,
  type Slice,
  type Turn,
} from "./slices.ts";
import { Total } from "./total.ts";

export interface RowOptions {
  benchCase: BenchCase;
  connections: number;
  /** In ms, shared by geerpc and what it takes turns with. */
  durationMs: number;
  /** How many turns each side takes; by default as many as there is time for. */
  turns?: number;
  /** Where calls come at a fixed rate: per second, on all connections. */
  callsPerSecond?: number;
  /** How many processes make the load. */
  processCount?: number;
}

/** What a row asks its connections. */
export type RowConnections = Pick<
  Connections,
  "codec" | "sizes" | "hasOwnServer" | "serverCpuUs"
>;

/** One row of the report: slices of the case, with so many in flight, in turns with what it is compared to. */
export class Row {
  readonly #connections: RowConnections;
  readonly #sides: Sides;
  readonly #options: RowOptions;
  readonly #inFlight: number;
  readonly #turns: Turn[] = [];
  readonly #totals = new Map<Side, Total>();
  readonly #streams: Slice[] = [];

  /** @param connections those of this process, which knows the server's CPU time and the sizes of frames */
  constructor(
    connections: RowConnections,
    sides: Sides,
    inFlight: number,
    options: RowOptions,
  ) {
    this.#connections = connections;
    this.#sides = sides;
    this.#inFlight = inFlight;
    this.#options = options;
  }

  /** @param onTurn told after each turn of slices, with the fraction of the row that is done and geerpc's slice */
  async measure(
    onTurn: (fraction: number, slice: Slice) => void,
  ): Promise<CaseReport> {
    const { durationMs, callsPerSecond } = this.#options;
    const { names } = this.#sides;
    // At a fixed rate nothing takes turns, and every pause would be a stall.
    const wanted = callsPerSecond === undefined ? this.#options.turns : 1;
    const { sliceMs, turns } = planSlices(durationMs, names.length, wanted);
    await warmUp(this.#sides, this.#inFlight, Math.min(sliceMs, 250));
    for (let turn = 1; turn <= turns; turn++) {
      const slices: Partial<Record<Side, Slice>> = {};
      // There and back: who comes first finds the memory that others left to be freed.
      for (const side of turn % 2 === 1 ? names : names.toReversed()) {
        slices[side] = await this.#slice(side, sliceMs);
      }
      this.#turns.push(slices);
      onTurn(turn / turns, slices.geerpc ?? { count: 0, elapsedMs: 0 });
    }
    return this.#report();
  }

  async #slice(side: Side, sliceMs: number): Promise<SideSlice> {
    const serverBefore = await this.#connections.serverCpuUs();
    const slice = await this.#sides.run(side, this.#inFlight, sliceMs);
    const serverAfter = await this.#connections.serverCpuUs();
    if (slice.stream !== undefined) this.#streams.push(slice.stream);
    const total = this.#totals.get(side) ?? new Total();
    this.#totals.set(side, total);
    total.add(slice, serverAfter - serverBefore);
    return slice;
  }

  #report(): CaseReport {
    const { benchCase, connections, callsPerSecond, processCount } =
      this.#options;
    const { codec, sizes, hasOwnServer } = this.#connections;
    const { calls, stream, name } = benchCase;
    const total = this.#totals.get("geerpc") ?? new Total();
    const totals = [...this.#totals.values()];
    const { latenciesUs } = total;
    const quantile = (fraction: number) =>
      latenciesUs.count > 0 ? latenciesUs.quantile(fraction) : null;
    const failed = [total, ...totals].find((each) => each.firstFailure);
    const firstFailure = failed?.firstFailure;
    // At a fixed rate the client looks at the clock without a pause.
    const tellsCpu = hasOwnServer && callsPerSecond === undefined;
    return {
      case: name,
      unit: calls === undefined ? "items" : "calls",
      method: (calls ?? stream).method,
      codec,
      connections,
      ...(processCount !== undefined && { processes: processCount }),
      inFlight: total.mostInFlight || this.#inFlight,
      ...(callsPerSecond !== undefined && { rate: callsPerSecond }),
      turns: this.#turns.length,
      calls: total.done,
      errors: totals.reduce((sum, { errors }) => sum + errors, 0),
      callsPerSecond: perSecondOf(this.#turns, "geerpc") ?? 0,
      limitPerSecond: perSecondOf(this.#turns, "limit"),
      ratio: ratioOf(this.#turns, "geerpc", "limit"),
      p50Us: quantile(0.5),
      p99Us: quantile(0.99),
      p999Us: quantile(0.999),
      cpuUsPerCall: tellsCpu ? total.cpuUsPerCall : null,
      clientCpuUsPerCall: total.clientCpuUs / Math.max(1, total.done),
      coresUsed: tellsCpu ? total.cpuUs / 1000 / total.elapsedMs : null,
      requestBytes: sizes.request,
      responseBytes: sizes.response,
      ...this.#floorFigures(),
      ...this.#serializerFigures(),
      ...this.#referenceFigures(),
      ...this.#byteFigures(),
      ...(latenciesUs.count > 0 && { latenciesUs: latenciesUs.buckets() }),
      ...(firstFailure === undefined ? {} : { firstFailure }),
    };
  }

  #floorFigures(): Partial<CaseReport> {
    const total = this.#totals.get("floor");
    const floorPerSecond = perSecondOf(this.#turns, "floor");
    if (total === undefined || floorPerSecond === null) return {};
    return {
      floorPerSecond,
      floorCpuUsPerCall: total.cpuUsPerCall,
      ratioToFloor: ratioOf(this.#turns, "geerpc", "floor") as number,
      floorRatio: ratioOf(this.#turns, "floor", "limit") as number,
    };
  }

  #serializerFigures(): Partial<CaseReport> {
    const serializerPerSecond = perSecondOf(this.#turns, "serializer");
    if (serializerPerSecond === null) return {};
    const ratio = ratioOf(this.#turns, "geerpc", "serializer") as number;
    return { serializerPerSecond, ratioToSerializer: ratio };
  }

  #referenceFigures(): Partial<CaseReport> {
    const { reference } = this.#options.benchCase;
    const total = this.#totals.get("reference");
    const referencePerSecond = perSecondOf(this.#turns, "reference");
    if (total === undefined || referencePerSecond === null) return {};
    if (reference === "quiet") {
      const p99QuietUs = total.latenciesUs.quantile(0.99);
      const p99Us = this.#totals.get("geerpc")?.latenciesUs.quantile(0.99);
      const p99AgainstQuiet = (p99Us ?? NaN) / p99QuietUs;
      return { p99QuietUs, p99AgainstQuiet };
    }
    return {
      reference,
      referencePerSecond,
      ratioToReference: ratioOf(this.#turns, "geerpc", "reference") as number,
    };
  }

  /** Where bytes are what counts: of content, each way, so that both sides count the same. */
  #byteFigures(): Partial<CaseReport> {
    const { calls, stream } = this.#options.benchCase;
    const bytes = stream?.itemBytes ?? calls?.contentBytes;
    if (bytes === undefined) return {};
    const toMegabytes = (perSecond: number) => (perSecond * bytes) / 1e6;
    if (this.#streams.length > 0) {
      const perSecond = median(this.#streams.map(rateOf));
      return { megabytesPerSecond: toMegabytes(perSecond) };
    }
    const limitPerSecond = perSecondOf(this.#turns, "limit");
    return {
      megabytesPerSecond: toMegabytes(perSecondOf(this.#turns, "geerpc") ?? 0),
      ...(limitPerSecond === null
        ? {}
        : { limitMegabytesPerSecond: toMegabytes(limitPerSecond) }),
    };
  }
}

/** Runs what will be measured, so that it has been compiled. */
export async function warmUp(
  sides: Sides,
  inFlight: number,
  durationMs: number,
): Promise<void> {
  for (const side of sides.names) {
    const isOurs = side !== "limit" && side !== "serializer";
    await sides.run(side, inFlight, isOurs ? durationMs : durationMs / 4);
  }
}
