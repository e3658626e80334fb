/** How long a process may take to end once its input has ended. */
const endTimeoutMs = 2_000;

/** Ends the input of a process that lives until then, and resolves when it is gone: by force after 2 s. */
export async function endProcess(
  process: Bun.Subprocess<"pipe", "pipe", "inherit">,
): Promise<void> {
  void process.stdin.end();
  const timer = setTimeout(() => process.kill("SIGKILL"), endTimeoutMs);
  await process.exited;
  clearTimeout(timer);
}
