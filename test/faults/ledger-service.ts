import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { RpcError } from "../../src/errors.ts";

/** Names the folder of the servers' ledgers, in their environment. */
export const ledgerFolderKey = "GEERPC_LEDGERS";

export interface LedgerArgs {
  /** That no other call has. */
  id: number;
  /** From the execution to the answer. */
  waitMs?: number;
}

/**
 * Served by the processes of a Fleet. What it executes is written down before
 * it is answered, a line each in one write to a file of the process's own:
 * `id`, and the instant as Date.now() gives it. So it survives a kill -9.
 */
export class Ledger {
  static rpc = { methods: { fail: { idempotent: true } } };

  readonly #file = openSync(
    join(process.env[ledgerFolderKey] ?? ".", `${process.pid}.ledger`),
    "a",
  );
  #delayMs = 0;

  /** Executes `id`, and answers which process did. */
  write({ id, waitMs = 0 }: LedgerArgs): number | Promise<number> {
    this.#execute(id);
    const { pid } = process;
    const ms = waitMs + this.#delayMs;
    return ms === 0 ? pid : Bun.sleep(ms).then(() => pid);
  }

  /** Executes `id`, and fails as a service does that cannot do it now. */
  fail({ id }: LedgerArgs): never {
    this.#execute(id);
    throw new RpcError("unavailable", "it fails on purpose");
  }

  /** From now on `write` answers so much later. */
  delay(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  [Symbol.asyncDispose](): Promise<void> {
    closeSync(this.#file);
    return Promise.resolve();
  }

  #execute(id: number): void {
    writeSync(this.#file, `${id} ${Date.now()}\n`);
  }
}
