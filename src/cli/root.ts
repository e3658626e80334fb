import type { CommandDef } from "citty";
import { asksForHelp, type CliCommand, renderHelp, runCli } from "./command.ts";
import { escapeText } from "./escape.ts";
import { exitCode } from "./exit-code.ts";
import { hasColours, type Io } from "./io.ts";
import { suggest } from "./suggest.ts";
import { versionLine } from "./version.ts";

interface Entry {
  description: string;
  load(): Promise<{ command: CliCommand }>;
}

/** Subcommands by name; each is loaded when it is run. */
const entries: Readonly<Record<string, Entry>> = {
  registry: {
    description: "Keeps the list of servers, and gives it to clients",
    load: () => import("./registry.ts"),
  },
  server: {
    description: "Serves the classes of TypeScript files",
    load: () => import("./server.ts"),
  },
  client: {
    description: "Calls a method and prints its reply",
    load: () => import("./client.ts"),
  },
  bench: {
    description: "Measures calls, beside what the sockets themselves can do",
    load: () => import("./bench.ts"),
  },
  demo: {
    description:
      "Shows it all at work: a registry, two servers, calls, broadcasts",
    load: () => import("./demo.ts"),
  },
};

/** What our own processes run, and nobody else: no help tells of it. */
const inner: Readonly<Record<string, Pick<Entry, "load">>> = {
  "server-worker": { load: () => import("./workers/worker-command.ts") },
};

/** Runs `geerpc …args` and resolves with its exit code. */
export async function run(args: readonly string[], io: Io): Promise<number> {
  const [name, ...rest] = args;
  const table =
    name !== undefined && Object.hasOwn(inner, name) ? inner : entries;
  const entry =
    name !== undefined && Object.hasOwn(table, name) ? table[name] : undefined;
  if (entry !== undefined) {
    const { command } = await entry.load();
    return runCli(command, rest, io);
  }
  if (name === undefined) {
    io.stderr.write(await rootHelp(hasColours(io.stderr, io.env)));
    return exitCode.usage;
  }
  if (asksForHelp([name])) {
    io.stdout.write(await rootHelp(hasColours(io.stdout, io.env)));
    return exitCode.done;
  }
  const names = Object.keys(entries);
  const meant = suggest(name, names);
  io.stderr.write(
    `geerpc: unknown command ${escapeText(name)}: ${
      meant === undefined
        ? `write ${names.join(", ")} or --help`
        : `did you mean ${meant}?`
    }\n`,
  );
  return exitCode.usage;
}

function rootHelp(withColours: boolean): Promise<string> {
  const subCommands: Record<string, CommandDef> = {};
  for (const [name, { description }] of Object.entries(entries)) {
    subCommands[name] = { meta: { name, description } };
  }
  const command: CliCommand = {
    meta: {
      name: "geerpc",
      description: "Service-to-service RPC: a class is a service",
    },
    subCommands,
    notes: `Every flag has an environment twin: --connect-timeout is GEERPC_CONNECT_TIMEOUT.
A flag beats its twin. ${versionLine}`,
  };
  return renderHelp(command, withColours);
}
