import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { RpcError } from "../../src/errors.ts";

/** One call as its caller knows it. Instants are of Date.now(), which all processes share. */
export interface CallEntry {
  readonly id: number;
  readonly startedAt: number;
  /** How long it took, in ms, exactly; NaN while it is under way. */
  tookMs: number;
  /** The process that answered. */
  pid: number | undefined;
  error: RpcError | undefined;
}

/** One execution, as a server wrote it down. */
export interface Execution {
  readonly id: number;
  readonly pid: number;
  readonly at: number;
}

/** What the ledgers of both sides say when they are laid beside each other. */
export interface Verdict {
  answered: number;
  failed: number;
  /** Ids by what is wrong with them: each has to be empty. */
  unresolved: number[];
  executedTwice: number[];
  answeredUnexecuted: number[];
  /** Failed as not sent, and were executed. */
  executedUnsent: number[];
}

/** What a verdict has to say besides its counts. */
export const nothingWrong = {
  unresolved: [],
  executedTwice: [],
  answeredUnexecuted: [],
  executedUnsent: [],
} satisfies Partial<Verdict>;

/** All that the servers of a folder have executed; they must be gone, or have nothing on its way. */
export async function readExecutions(folder: string): Promise<Execution[]> {
  const executions: Execution[] = [];
  for (const name of await readdir(folder)) {
    if (!name.endsWith(".ledger")) continue;
    const pid = parseInt(name, 10);
    const text = await readFile(join(folder, name), "utf8");
    for (const line of text.split("\n").slice(0, -1)) {
      const [id, at] = line.split(" ");
      executions.push({ id: Number(id), pid, at: Number(at) });
    }
  }
  return executions;
}

export function judge(
  calls: readonly CallEntry[],
  executions: readonly Execution[],
): Verdict {
  const times = new Map<number, number>();
  for (const { id } of executions) times.set(id, (times.get(id) ?? 0) + 1);
  const over = calls.filter(({ tookMs }) => !Number.isNaN(tookMs));
  const failed = over.filter(({ error }) => error !== undefined);
  const answered = over.filter(({ error }) => error === undefined);
  const idsOf = (entries: readonly CallEntry[]) => entries.map(({ id }) => id);
  return {
    answered: answered.length,
    failed: failed.length,
    unresolved: idsOf(calls.filter(({ tookMs }) => Number.isNaN(tookMs))),
    executedTwice: [...times].filter(([, n]) => n > 1).map(([id]) => id),
    answeredUnexecuted: idsOf(answered.filter(({ id }) => !times.has(id))),
    executedUnsent: idsOf(
      failed.filter(({ id, error }) => error?.sent === false && times.has(id)),
    ),
  };
}
