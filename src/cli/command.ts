import { type ArgsDef, type CommandDef, renderUsage, runCommand } from "citty";
import { RpcError } from "../errors.ts";
import { escapeText } from "./escape.ts";
import { exitCode } from "./exit-code.ts";
import { type FlagTable, flagName, type Parsed, parseFlags } from "./flags.ts";
import { hasColours, type Io } from "./io.ts";
import { UsageError } from "./usage-error.ts";

/** A subcommand as its file writes it. */
export interface Subcommand<Table extends FlagTable> {
  readonly name: string;
  readonly description: string;
  readonly flags: Table;
  /** What may be given besides flags. */
  readonly positionals?: readonly Positional[];
  /** Closes the help text: examples, and what the flags leave unsaid. */
  readonly notes?: string;
  /**
   * Does the work and resolves with the exit code.
   *
   * @throws UsageError  exit code 2 and the message in one line
   * @throws RpcError, or anything else: exit code 1 and the message in one line
   */
  run(parsed: Parsed<Table>, io: Io): Promise<number>;
}

export interface Positional {
  readonly name: string;
  readonly description: string;
  /** It takes all that is left. */
  readonly isMany?: boolean;
}

/** A citty command with its notes. Run it with {@link runCli}, also in tests. */
export type CliCommand = CommandDef & { readonly notes?: string };

/**
 * Makes a citty command of a subcommand. citty renders the usage and calls
 * `run`; the arguments are read by parseFlags, since citty lets unknown flags
 * and missing values pass.
 */
export function defineSubcommand<Table extends FlagTable>(
  subcommand: Subcommand<Table>,
): CliCommand {
  const { name, description, flags, positionals = [], notes } = subcommand;
  return {
    meta: { name, description },
    args: cittyArgs(flags, positionals),
    ...(notes === undefined ? {} : { notes }),
    async run({ rawArgs, data }) {
      const io = data as Io;
      const parsed = parseFlags(flags, rawArgs, io.env);
      checkPositionals(positionals, parsed.rest);
      return subcommand.run(parsed, io);
    },
  };
}

/**
 * Runs a command with its arguments and resolves with the exit code. Never
 * rejects: what goes wrong becomes one line on stderr.
 */
export async function runCli(
  command: CliCommand,
  args: readonly string[],
  io: Io,
): Promise<number> {
  const { name } = command.meta as { name: string };
  try {
    if (asksForHelp(args)) {
      io.stdout.write(await renderHelp(command, hasColours(io.stdout, io.env)));
      return exitCode.done;
    }
    const { result } = await runCommand(command, {
      rawArgs: [...args],
      data: io,
    });
    return result as number;
  } catch (thrown) {
    if (thrown instanceof UsageError) {
      io.stderr.write(
        `geerpc ${name}: ${thrown.message} (geerpc ${name} --help)\n`,
      );
      return exitCode.usage;
    }
    const { message } = RpcError.from(thrown);
    io.stderr.write(`geerpc ${name}: ${escapeText(message)}\n`);
    return exitCode.failed;
  }
}

export function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  const flags = end < 0 ? args : args.slice(0, end);
  return flags.includes("--help") || flags.includes("-h");
}

/** A command's help text, which ends with a line break. */
export async function renderHelp(
  command: CliCommand,
  withColours: boolean,
): Promise<string> {
  const { name } = command.meta as { name: string };
  const usage = await renderUsage(
    command,
    name === "geerpc" ? undefined : { meta: { name: "geerpc" } },
  );
  const notes = command.notes ?? "";
  const text = [usage.trimEnd(), notes.trim()].filter(Boolean).join("\n\n");
  const lines = `${withColours ? text : Bun.stripANSI(text)}\n`;
  return lines.replace(/ +$/gm, "");
}

function cittyArgs(
  flags: FlagTable,
  positionals: readonly Positional[],
): ArgsDef {
  const args: ArgsDef = {};
  for (const { name, description } of positionals) {
    args[name] = { type: "positional", description, required: false };
  }
  for (const [key, { kind, description, default: byDefault }] of Object.entries(
    flags,
  )) {
    args[flagName(key)] =
      kind === undefined
        ? { type: "boolean", description }
        : {
            type: "string",
            description,
            valueHint: kind.hint,
            ...(byDefault === undefined ? {} : { default: byDefault }),
          };
  }
  return args;
}

function checkPositionals(
  positionals: readonly Positional[],
  rest: readonly string[],
): void {
  if (positionals.some(({ isMany }) => isMany)) return;
  const extra = rest[positionals.length];
  if (extra === undefined) return;
  const expected =
    positionals.length === 0
      ? "there is nothing to write here but flags"
      : `write ${positionals.map(({ name }) => name).join(" and ")} only`;
  throw new UsageError(`unexpected "${escapeText(extra)}": ${expected}`);
}
