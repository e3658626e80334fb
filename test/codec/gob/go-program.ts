import { fileURLToPath } from "node:url";

/** Why programs in Go cannot be run here; undefined where they can. */
export const goMissing: string | undefined =
  Bun.which("go") === null ? "Go is not installed" : undefined;

/** Runs a Go program of test/interop/go/ and gives its standard output. */
export async function runGo(
  folder: string,
  args: readonly string[],
): Promise<string> {
  const cwd = fileURLToPath(
    new URL(`../../interop/go/${folder}/`, import.meta.url),
  );
  const program = Bun.spawn(["go", "run", ".", ...args], {
    cwd,
    env: { ...process.env, GOFLAGS: "-mod=mod", GOWORK: "off" },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [output, errors, exitCode] = await Promise.all([
    program.stdout.text(),
    program.stderr.text(),
    program.exited,
  ]);
  if (exitCode !== 0) throw new Error(`go run failed: ${errors}`);
  return output;
}
