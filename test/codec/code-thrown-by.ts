import { RpcError } from "../../src/errors.ts";

/** The code of the RpcError that `run` throws; undefined where it throws none. Anything else that is thrown goes on. */
export function codeThrownBy(run: () => unknown): string | undefined {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof RpcError) return thrown.code;
    throw thrown;
  }
  return undefined;
}
