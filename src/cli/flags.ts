import { escapeText } from "./escape.ts";
import type { Kind } from "./kinds.ts";
import { suggest } from "./suggest.ts";
import { UsageError } from "./usage-error.ts";

/**
 * One flag of a subcommand. In a table its key is its name in camelCase:
 * `connectTimeout` is `--connect-timeout` and `GEERPC_CONNECT_TIMEOUT`.
 */
export interface Flag<T> {
  /** Absent: a flag without a value, on or off. */
  readonly kind?: Kind<unknown>;
  readonly description: string;
  /** As it would be written; the help text shows it. */
  readonly default?: string;
  /** Carries the type of the value; nothing at run time. */
  readonly value?: T;
}

export type FlagTable = Readonly<Record<string, Flag<unknown>>>;

export type Values<Table extends FlagTable> = {
  readonly [Name in keyof Table]: Table[Name] extends Flag<infer T> ? T : never;
};

/** Where a value came from; a default has no source. */
export type Source = "flag" | "environment";

export interface Parsed<Table extends FlagTable = FlagTable> {
  readonly values: Values<Table>;
  readonly sources: ReadonlyMap<keyof Table, Source>;
  /** What is no flag, in order. */
  readonly rest: readonly string[];
}

/** A flag with a value; undefined where it is neither given nor has a default. */
export function flag<T>(
  kind: Kind<T>,
  description: string,
): Flag<T | undefined>;
export function flag<T>(
  kind: Kind<T>,
  description: string,
  byDefault: string,
): Flag<T>;
export function flag(
  kind: Kind<unknown>,
  description: string,
  byDefault?: string,
): Flag<unknown> {
  return byDefault === undefined
    ? { kind, description }
    : { kind, description, default: byDefault };
}

/** A flag that is on or off: `--list`, `--no-list`. */
export function toggle(description: string): Flag<boolean> {
  return { description };
}

/** `connectTimeout` as it is written: `connect-timeout`. */
export function flagName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `connectTimeout` in the environment: `GEERPC_CONNECT_TIMEOUT`. */
export function variableName(key: string): string {
  return `GEERPC_${flagName(key).replaceAll("-", "_").toUpperCase()}`;
}

/**
 * Reads a subcommand's arguments by its table, strictly: each flag is known
 * and given once (a list may be given in parts), each value is there and fits.
 * `--` ends the flags. What is not given comes from the environment, where an
 * empty variable counts as none, else from the default.
 *
 * @throws UsageError the first thing that is wrong, in one line
 */
export function parseFlags<Table extends FlagTable>(
  table: Table,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Parsed<Table> {
  const { given, rest } = readArguments(table, args);
  const values: Record<string, unknown> = {};
  const sources = new Map<string, Source>();
  for (const [key, flag] of Object.entries(table)) {
    const variable = env[variableName(key)];
    const written = given.get(key);
    if (written !== undefined) {
      values[key] = parseValue(flag, written, `--${flagName(key)}`);
      sources.set(key, "flag");
    } else if (variable) {
      values[key] = parseValue(flag, variable, variableName(key));
      sources.set(key, "environment");
    } else if (flag.kind === undefined) {
      values[key] = false;
    } else {
      values[key] =
        flag.default === undefined ? undefined : flag.kind.parse(flag.default);
    }
  }
  return { values: values as Values<Table>, sources, rest };
}

/**
 * Which of two flags that exclude each other counts: a flag beats the
 * environment.
 *
 * @throws UsageError both came from the same source
 */
export function eitherOf<Table extends FlagTable>(
  { sources }: Parsed<Table>,
  left: keyof Table & string,
  right: keyof Table & string,
): keyof Table | undefined {
  const [leftSource, rightSource] = [sources.get(left), sources.get(right)];
  if (leftSource === undefined) {
    return rightSource === undefined ? undefined : right;
  }
  if (rightSource === undefined) return left;
  if (leftSource !== rightSource) return leftSource === "flag" ? left : right;
  const nameOf = (key: string) =>
    leftSource === "flag" ? `--${flagName(key)}` : variableName(key);
  throw new UsageError(
    `${nameOf(left)} and ${nameOf(right)} exclude each other: write one of them`,
  );
}

/** Whether a flag is on the command line itself, rather than in the environment or by default. */
export function isWritten(
  { sources }: { readonly sources: ReadonlyMap<string, Source> },
  key: string,
): boolean {
  return sources.get(key) === "flag";
}

/** Takes the arguments apart; values are still text. */
function readArguments(
  table: FlagTable,
  args: readonly string[],
): { given: Map<string, string>; rest: string[] } {
  const given = new Map<string, string>();
  const rest: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] as string;
    if (arg === "--") {
      rest.push(...args.slice(at + 1));
      break;
    }
    if (!isFlag(arg)) {
      rest.push(arg);
      continue;
    }
    const equals = arg.indexOf("=");
    const name = equals < 0 ? arg : arg.slice(0, equals);
    const { key, flag, isNegated } = findFlag(table, name);
    let value = equals < 0 ? undefined : arg.slice(equals + 1);
    if (flag.kind === undefined) {
      if (isNegated && value !== undefined) {
        throw new UsageError(`${name} takes no value`);
      }
      value ??= isNegated ? "false" : "true";
    } else if (value === undefined) {
      const next = args[at + 1];
      if (next !== undefined && !next.startsWith("--")) {
        value = next;
        at++;
      }
    }
    if (value === undefined || value === "") {
      throw new UsageError(
        `${name} needs a value: write ${name} <${flag.kind?.hint ?? "true|false"}>`,
      );
    }
    const before = given.get(key);
    if (before !== undefined && flag.kind?.isList !== true) {
      throw new UsageError(`${name} is given twice: write it once`);
    }
    const separator = flag.kind?.separator ?? ",";
    given.set(
      key,
      before === undefined ? value : `${before}${separator}${value}`,
    );
  }
  return { given, rest };
}

/** `-` is stdin, and `-5` a number. */
function isFlag(arg: string): boolean {
  return arg.length > 1 && arg.startsWith("-") && !/^-\.?\d/.test(arg);
}

function findFlag(
  table: FlagTable,
  written: string,
): { key: string; flag: Flag<unknown>; isNegated: boolean } {
  for (const [key, flag] of Object.entries(table)) {
    const name = flagName(key);
    if (written === `--${name}`) return { key, flag, isNegated: false };
    if (flag.kind === undefined && written === `--no-${name}`) {
      return { key, flag, isNegated: true };
    }
  }
  const names = Object.keys(table).map((key) => `--${flagName(key)}`);
  const meant = suggest(written, [...names, "--help"]);
  throw new UsageError(
    `unknown flag ${escapeText(written)}: ${
      meant === undefined
        ? `write ${[...names, "--help"].join(", ")}`
        : `did you mean ${meant}?`
    }`,
  );
}

/** @param name the flag or the variable, for the message */
function parseValue(
  { kind }: Flag<unknown>,
  text: string,
  name: string,
): unknown {
  try {
    return kind === undefined ? parseToggle(text) : kind.parse(text);
  } catch (thrown) {
    if (!(thrown instanceof UsageError)) throw thrown;
    throw new UsageError(
      `${name}=${escapeText(text)}: ${escapeText(thrown.message)}`,
    );
  }
}

function parseToggle(text: string): boolean {
  if (text === "true" || text === "1") return true;
  if (text === "false" || text === "0") return false;
  throw new UsageError("write true or false");
}
