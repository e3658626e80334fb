import { join } from "node:path";
import { buildExecutable, Program } from "../support/geerpc.ts";
import { median, report } from "./figures.ts";

const runs = 21;
const cwd = import.meta.dir;

async function timeOf(command: readonly string[]): Promise<number> {
  const startedAt = performance.now();
  await Program.run(command, { cwd });
  return performance.now() - startedAt;
}

/** From exec until it has said that it accepts connections. */
async function listenTimeOf(path: string): Promise<number> {
  const startedAt = performance.now();
  await using server = new Program([path, "server"], { cwd });
  await server.listening();
  return performance.now() - startedAt;
}

/** How soon the executable is there: its version, and a server; a hello-world of the same Bun takes turns with it. */
export async function startTime(): Promise<void> {
  const { path, remove } = await buildExecutable();
  const hello = `${path}-hello`;
  await buildHello(hello);
  const versions: number[] = [];
  const ratios: number[] = [];
  const servers: number[] = [];
  for (let run = 0; run < runs; run++) {
    const helloMs = await timeOf([hello]);
    const versionMs = await timeOf([path, "--version"]);
    versions.push(versionMs);
    ratios.push(versionMs / helloMs);
    servers.push(await listenTimeOf(path));
  }
  await remove();
  report(
    "geerpc --version, median of 21",
    median(versions),
    { atMost: 30 },
    "ms",
  );
  report(
    "against a compiled hello-world",
    median(ratios),
    { atMost: 1.5 },
    "times",
  );
  report(
    "geerpc server, until it accepts",
    median(servers),
    { atMost: 40 },
    "ms",
  );
}

/** Compiled as the executable is. */
async function buildHello(outfile: string): Promise<void> {
  const { success } = await Bun.build({
    entrypoints: [join(cwd, "hello.ts")],
    compile: { outfile, autoloadDotenv: false, autoloadBunfig: false },
    format: "esm",
    bytecode: true,
    minify: { whitespace: true, syntax: true, identifiers: false },
  });
  if (!success) throw new Error("the hello-world was not built");
}

/** What importing the library takes, each time in a process of its own, and whether it does anything besides. */
export async function importTime(): Promise<void> {
  const times: number[] = [];
  let sideEffects = 0;
  const afterwards: number[] = [];
  for (let run = 0; run < runs; run++) {
    const startedAt = performance.now();
    const { stdout } = await Program.run(
      [process.execPath, join(cwd, "import.ts")],
      { cwd },
    );
    const told = JSON.parse(stdout) as { ms: number; sideEffects: number };
    times.push(told.ms);
    sideEffects += told.sideEffects;
    afterwards.push(performance.now() - startedAt);
  }
  report(
    "import of the library, median of 21",
    median(times),
    { atMost: 10 },
    "ms",
  );
  report(
    "globals, listeners and variables that it changed",
    sideEffects,
    { atMost: 0 },
    "",
  );
  report(
    "a process that imports it, until its end",
    Math.max(...afterwards),
    { atMost: 1_000 },
    "ms",
  );
}
