import { isExecutable } from "./version.ts";

/** The command that runs this very geerpc once more: the executable, or Bun with the source. */
export function selfCommand(): string[] {
  if (isExecutable) return [process.execPath];
  return [process.execPath, `${import.meta.dir}/../main.ts`];
}

/** An environment for a geerpc of our own: without the flags' twins that were meant for this one. */
export function selfEnv(
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const own: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && !name.startsWith("GEERPC_")) own[name] = value;
  }
  return own;
}
