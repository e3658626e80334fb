import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { resolve } from "node:path";
import { RpcError } from "../errors.ts";
import { firstLine } from "./first-line.ts";

/** Another geerpc on this machine. */
export interface Executable {
  /** Absolute. */
  path: string;
  /** What its --version says: `geerpc 0.1.0 (abc1234)`. */
  version: string;
}

/** How long it may take to say its version. */
const versionTimeoutMs = 5_000;

/**
 * Looks whether a file is a geerpc that can be run: it is asked its version,
 * and has `timeoutMs` to answer.
 *
 * @throws RpcError invalid_argument  it is not; says what to write
 */
export async function findExecutable(
  path: string,
  timeoutMs = versionTimeoutMs,
): Promise<Executable> {
  const absolute = resolve(path);
  if (!(await may(absolute, constants.F_OK))) {
    throw misfit("there is no such file");
  }
  if (!(await may(absolute, constants.X_OK))) {
    throw misfit("the file is not executable");
  }
  const version = await versionOf(absolute, timeoutMs).catch(() => "");
  if (!/^geerpc \S+ \(.*\)$/.test(version)) throw misfit("that is no geerpc");
  return { path: absolute, version };
}

function misfit(what: string): RpcError {
  return new RpcError(
    "invalid_argument",
    `${what}: write the path of an executable that bun run build made, as in /tmp/before/geerpc`,
  );
}

function may(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}

async function versionOf(path: string, timeoutMs: number): Promise<string> {
  const child = Bun.spawn([path, "--version"], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
    timeout: timeoutMs,
    killSignal: "SIGKILL",
  });
  try {
    return await firstLine(child.stdout);
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
}
