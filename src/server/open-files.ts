/** Descriptors that are kept free for everything that is no connection. */
const reservedFiles = 64;

/**
 * How many connections fit below this process's limit of open files, where
 * the system tells it: past that limit a listener would spin on EMFILE.
 */
export function maxOpenConnections(): number {
  const { readFileSync } = process.getBuiltinModule("node:fs");
  let limits: string;
  try {
    limits = readFileSync("/proc/self/limits", "utf8");
  } catch {
    return Infinity; // No such file outside Linux.
  }
  const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
  return soft === undefined
    ? Infinity
    : Math.max(1, Number(soft) - reservedFiles);
}
