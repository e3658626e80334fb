import type { SliceRequest } from "./programs/load.ts";
import type { RunningPeer, SliceFigures } from "./running-peer.ts";

export type Case = Pick<SliceRequest, "case" | "inFlight">;

export const cases: readonly Case[] = [
  { case: "sum", inFlight: 1 },
  { case: "sum", inFlight: 64 },
  { case: "sum", inFlight: 256 },
  { case: "echo-1k", inFlight: 64 },
];

/** What can be measured: a RunningPeer, or a test's. */
export type Sliceable = Pick<RunningPeer, "slice">;

/** One case of one peer: what each round came to. */
export interface Row extends Case {
  peer: string;
  rounds: SliceFigures[];
}

export interface TurnsOptions {
  rounds: number;
  sliceMs: number;
  /** Before the first round of each case, so that its code has been compiled. */
  warmUpMs: number;
  /** Told before each slice what is measured, and how much of the whole is done, 0 to 1. */
  onSlice?: (peer: string, which: Case, fraction: number) => void;
  /** Told when a peer failed: it has no more turns, and no row of the case in hand. */
  onFailure: (peer: string, reason: string) => void;
}

/**
 * Measures case by case, in each round one slice of every peer: neighbours
 * that saw the same machine. Who is first changes from round to round.
 */
export async function takeTurns(
  peers: ReadonlyMap<string, Sliceable>,
  { rounds, sliceMs, warmUpMs, onSlice, onFailure }: TurnsOptions,
): Promise<Row[]> {
  const left = new Map(peers);
  const rows: Row[] = [];
  for (const [at, which] of cases.entries()) {
    const ofCase = new Map(
      [...left.keys()].map((peer): [string, Row] => [
        peer,
        { peer, ...which, rounds: [] },
      ]),
    );
    for (let round = -1; round < rounds; round++) {
      const isWarmUp = round < 0;
      const durationMs = isWarmUp ? warmUpMs : sliceMs;
      for (const name of inTurn([...left.keys()], round)) {
        const casesDone = at + (round + 1) / (rounds + 1);
        onSlice?.(name, which, casesDone / cases.length);
        try {
          const slice = { ...which, durationMs };
          const figures = await (left.get(name) as Sliceable).slice(slice);
          if (!isWarmUp) ofCase.get(name)?.rounds.push(figures);
        } catch (thrown) {
          left.delete(name);
          ofCase.delete(name);
          const { message } = thrown as Error;
          onFailure(name, `${which.case}, ${which.inFlight}: ${message}`);
        }
      }
    }
    rows.push(...ofCase.values());
  }
  return rows;
}

/** In the order of that round: each time another one is first. */
function inTurn(names: readonly string[], round: number): string[] {
  const first = Math.max(round, 0) % Math.max(names.length, 1);
  return [...names.slice(first), ...names.slice(0, first)];
}
