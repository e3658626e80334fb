import { rm } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { parseArgs } from "node:util";
import { version } from "./package.json";

// Makes the executable: `bun build.ts [--outfile dist/geerpc] [--target bun-linux-arm64]`.

const { values } = parseArgs({
  options: {
    outfile: { type: "string", default: `${import.meta.dir}/dist/geerpc` },
    target: { type: "string" },
  },
});

const outfile = resolve(values.outfile);
const commit = commitOf(import.meta.dir);
const startedAt = performance.now();
const { outputs } = await Bun.build({
  entrypoints: [`${import.meta.dir}/src/main.ts`],
  compile: {
    outfile,
    ...(values.target === undefined
      ? {}
      : { target: values.target as Bun.Build.CompileTarget }),
    // Nothing of the folder that it is started in: no preload, no .env. The
    // package.json there is for users' own packages.
    autoloadDotenv: false,
    autoloadBunfig: false,
    autoloadPackageJson: true,
  },
  format: "esm",
  bytecode: true,
  // In one piece, every start would load what any command imports: 12 ms.
  splitting: true,
  sourcemap: "inline",
  // Names stay: a service's is its class's.
  minify: { whitespace: true, syntax: true, identifiers: false },
  define: { GEERPC_COMMIT: JSON.stringify(commit) },
});

if (outputs.length === 0) throw new Error("the build made nothing");
// The maps are inside; Bun leaves copies of them beside the executable.
const maps = outputs.filter(({ kind }) => kind === "sourcemap");
await Promise.all(maps.map(({ path }) => rm(path, { force: true })));
if (values.target === undefined) checkVersion(outfile);
const bytes = Bun.file(outfile).size;
const seconds = (performance.now() - startedAt) / 1_000;
console.error(
  `${basename(outfile)} ${version} (${commit}), ${Math.round(bytes / 2 ** 20)} MiB in ${seconds.toFixed(1)} s: ${outfile}`,
);

/** The commit of the source, with a `+` where files differ from it; `unknown` outside of git. */
function commitOf(folder: string): string {
  const commit = git(folder, ["rev-parse", "--short", "HEAD"]);
  if (commit === undefined) return "unknown";
  const changes = git(folder, ["status", "--porcelain"]);
  return changes === "" ? commit : `${commit}+`;
}

function git(cwd: string, args: string[]): string | undefined {
  try {
    const { success, stdout } = Bun.spawnSync(["git", ...args], {
      cwd,
      stderr: "ignore",
    });
    return success ? stdout.toString().trim() : undefined;
  } catch {
    return undefined; // There is no git here.
  }
}

/** A build that does not start is a failed build. */
function checkVersion(executable: string): void {
  const { stdout, exitCode } = Bun.spawnSync([executable, "--version"]);
  const line = stdout.toString().trim();
  if (exitCode === 0 && line === `geerpc ${version} (${commit})`) return;
  throw new Error(`${executable} --version says "${line}", exit ${exitCode}`);
}
