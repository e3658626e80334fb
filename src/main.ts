#!/usr/bin/env bun
import { versionLine } from "./cli/version.ts";

// The executable's entry, and the only place that ends the process. What a
// command needs is loaded when it runs: --version costs nothing but the start.

const args = process.argv.slice(2);
const isVersion = args[0] === "--version" || args[0] === "-v";

if (isVersion) console.log(versionLine);
else {
  const { processIo } = await import("./cli/process-io.ts");
  const { run } = await import("./cli/root.ts");
  const io = await processIo((code) => process.exit(code));
  const code = await run(args, io);
  await io.flush();
  process.exit(code);
}
