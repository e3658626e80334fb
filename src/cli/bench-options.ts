import type { AgainstOptions, BenchOptions } from "../bench/bench.ts";
import { type BenchCase, type CaseName, caseNames } from "../bench/cases.ts";
import { findExecutable } from "../bench/executable.ts";
import { caseOf, type CaseWords } from "../bench/load-server.ts";
import { binaryCodecType } from "../codec/table.ts";
import { RpcError } from "../errors.ts";
import { loadCommand, serveCommand } from "./bench-processes.ts";
import { checkCodec, codecType } from "./codec-kind.ts";
import { escapeText } from "./escape.ts";
import { eitherOf, flag, type Parsed, toggle } from "./flags.ts";
import type { Io } from "./io.ts";
import {
  choice,
  file,
  type Kind,
  registryUrls,
  servers,
  someDuration,
  tellsServers,
  text,
  wholeNumber,
} from "./kinds.ts";
import { selfCommand, selfEnv } from "./self.ts";
import { ownTokenFile } from "./token-file.ts";
import { UsageError } from "./usage-error.ts";

const mostInFlight = 100_000;

/** Numbers of calls in flight, separated by commas. */
const counts: Kind<readonly number[]> = {
  hint: "number,…",
  isList: true,
  parse: (list) =>
    list.split(",").map((item) => wholeNumber(1, mostInFlight).parse(item)),
};

/** A case, by its name. */
const caseName: Kind<CaseName> = { ...choice(caseNames), hint: "name" };

export const benchFlags = {
  case: flag(caseName, "what is measured, see below", "sum"),
  method: flag(text, "what is called, in the place of a case", "Foo.Sum"),
  args: flag(text, "its argument, as JSON; Foo.Sum varies it by itself"),
  server: flag(
    servers,
    "measures this server instead of one of its own, or these, as client has them, in turns",
  ),
  registry: flag(registryUrls, "measures the servers listed there, in turns"),
  registryTokenFile: flag(ownTokenFile, "the registry's token to list them"),
  against: flag(file, "another geerpc executable, which takes turns with this"),
  floor: toggle(
    "has the least code that makes a call on Bun take turns with sum, too",
  ),
  codec: flag(
    codecType,
    "binary, json, gob or a whole CodecType; binary, or what the address says",
  ),
  connections: flag(
    wholeNumber(1, 10_000),
    "connections at a time, of each process, to each server",
    "1",
  ),
  processes: flag(wholeNumber(1, 64), "processes that make the calls", "1"),
  inflight: flag(
    counts,
    "calls in flight on each connection, a row for each number; else as the case says",
  ),
  rate: flag(
    wholeNumber(1, 10_000_000),
    "calls per second in all, whatever becomes of those before",
  ),
  duration: flag(someDuration, "how long each row takes", "4s"),
  slices: flag(
    wholeNumber(1, 1_000),
    "turns that each side takes in a row; else one for each 250ms that it has",
  ),
  json: toggle("prints the figures as JSON"),
};

type Flags = Parsed<typeof benchFlags>;

/**
 * What is to be measured, and how, by the flags of the command line.
 *
 * @throws UsageError flags that do not go together, or a value that does not fit
 */
export async function benchOptionsOf(
  parsed: Flags,
  io: Io,
): Promise<BenchOptions> {
  const { values } = parsed;
  const words = wordsOf(parsed);
  const benchCase = caseOf(words);
  const target = targetOf(parsed, benchCase, io);
  checkCase(parsed, benchCase, target);
  const byRate = eitherOf(parsed, "rate", "inflight") === "rate";
  if (byRate) checkRate(parsed, benchCase, target);
  const against = await againstOf(parsed, benchCase, io);
  const { codec, connections, slices, processes, floor, rate } = values;
  return {
    benchCase,
    target,
    connections,
    inFlight: byRate ? [1] : (values.inflight ?? benchCase.inFlight),
    durationMs: values.duration,
    hasFloor: floor,
    ...(byRate && { callsPerSecond: rate as number }),
    ...(codec !== undefined && { codec }),
    ...(slices !== undefined && { turns: slices }),
    ...(against !== undefined && { against }),
    ...(processes > 1 && {
      processes: {
        count: processes,
        command: loadCommand(),
        env: selfEnv(io.env),
        case: words,
      },
    }),
  };
}

/** @throws UsageError a method that is none, or beside a case */
function wordsOf(parsed: Flags): CaseWords {
  const { values } = parsed;
  const byMethod = eitherOf(parsed, "case", "method") === "method";
  const byArgs = eitherOf(parsed, "case", "args") === "args";
  if (!byMethod && !byArgs) return { name: values.case };
  const args = byArgs ? argsOf(values) : undefined;
  return {
    ...(byMethod && { method: checkMethod(values.method) }),
    ...(args !== undefined && { args }),
  };
}

/**
 * Whose servers are measured: those of a flag, or one of our own, with another
 * executable's or without.
 *
 * @throws UsageError two flags of the same source that say something else
 */
function measuredOf(parsed: Flags): "server" | "registry" | "own" {
  const either = eitherOf(parsed, "server", "registry");
  if (either !== "server" && either !== "registry") return "own";
  return eitherOf(parsed, either, "against") === either ? either : "own";
}

/** @throws UsageError a codec that a server's address does not speak */
function targetOf(
  parsed: Flags,
  { hasFleet }: BenchCase,
  io: Io,
): BenchOptions["target"] {
  const { server = [], registry = [], codec } = parsed.values;
  switch (measuredOf(parsed)) {
    case "registry": {
      const { registryTokenFile: registryToken } = parsed.values;
      return { targets: registry, ...(registryToken && { registryToken }) };
    }
    case "server": {
      if (tellsServers(server)) return { targets: server };
      checkCodec(server, codec);
      const [address = ""] = server;
      return server.length === 1 ? { address } : { targets: server };
    }
    case "own": {
      const command = serveCommand(hasFleet === true);
      return { command, env: selfEnv(io.env) };
    }
  }
}

/** @throws UsageError a case that the server, the codec or other flags do not allow */
function checkCase(
  parsed: Flags,
  { name, stream, reference, codec, hasFloor }: BenchCase,
  target: BenchOptions["target"],
): void {
  const { values, sources } = parsed;
  const wrong = (flag: string, why: string) => {
    throw new UsageError(`--${flag}: ${why}`);
  };
  const isOwn = "command" in target;
  if (!isOwn && (stream !== undefined || reference !== undefined)) {
    wrong(
      `case=${name}`,
      "it needs a server that bench starts itself: leave out --server and --registry, or name one of your methods with --method",
    );
  }
  if (sources.has("codec") && codec !== undefined) {
    wrong(`case=${name}`, "its codec is in its name: leave out --codec");
  }
  const spoken = values.codec ?? codec ?? binaryCodecType;
  if (stream !== undefined && spoken !== binaryCodecType) {
    wrong(
      `case=${name}`,
      "only the binary codec carries streams: leave out --codec",
    );
  }
  if (values.floor && (hasFloor !== true || !isOwn)) {
    wrong(
      "floor",
      "it serves the case sum alone, on a server that bench starts itself: leave it out",
    );
  }
}

/** @throws UsageError what cannot be measured at a fixed rate */
function checkRate(
  { values }: Flags,
  { name, calls, stream }: BenchCase,
  target: BenchOptions["target"],
): void {
  if (calls === undefined || stream !== undefined) {
    throw new UsageError(
      `--rate: ${name} is not made of calls alone: leave it out`,
    );
  }
  if ("command" in target && values.against !== undefined) {
    throw new UsageError(
      "--rate: --against compares how fast both can be: leave it out",
    );
  }
}

/** @throws UsageError no geerpc */
async function againstOf(
  parsed: Flags,
  measured: BenchCase,
  io: Io,
): Promise<AgainstOptions | undefined> {
  const path = parsed.values.against;
  if (path === undefined || measuredOf(parsed) !== "own") return undefined;
  const executable = await findExecutable(path).catch((thrown: unknown) => {
    const { message } = RpcError.from(thrown);
    throw new UsageError(`--against=${escapeText(path)}: ${message}`);
  });
  const flags = loadFlags(parsed.values, measured);
  return { executable, self: selfCommand(), flags, env: selfEnv(io.env) };
}

/** What is measured, for both executables' `geerpc bench`: versions that know no cases have sum. */
function loadFlags(
  { codec, connections, processes, args }: Flags["values"],
  { name, calls }: BenchCase,
): string[] {
  const written = [`--connections=${connections}`];
  if (processes > 1) written.push(`--processes=${processes}`);
  if (codec !== undefined) written.push(`--codec=${codec}`);
  if (name === "sum") return written;
  if (name !== calls?.method) return [...written, `--case=${name}`];
  written.push(`--method=${name}`);
  if (args !== undefined) written.push(`--args=${args}`);
  return written;
}

function checkMethod(method: string): string {
  if (method.lastIndexOf(".") > 0) return method;
  throw new UsageError(
    `--method=${escapeText(method)}: write Service.Method, as in Foo.Sum`,
  );
}

function argsOf({ args }: Flags["values"]): { value: unknown } | undefined {
  if (args === undefined) return undefined;
  try {
    return { value: JSON.parse(args) };
  } catch {
    throw new UsageError(
      `--args=${escapeText(args)}: no JSON, write it as in '{"a":1}'`,
    );
  }
}
