import { BenchServer } from "../bench/bench-server.ts";
import {
  type AgainstOptions,
  type BenchOptions,
  type Progress,
  runBench,
} from "../bench/bench.ts";
import {
  type BenchCase,
  benchCase,
  type CaseName,
  callsCase,
  caseNames,
} from "../bench/cases.ts";
import { findExecutable } from "../bench/executable.ts";
import { renderJson, renderReport } from "../bench/report.ts";
import { workloadOf } from "../bench/workload.ts";
import { binaryCodecType } from "../codec/table.ts";
import { RpcError } from "../errors.ts";
import { checkCodec, codecType } from "./codec-kind.ts";
import { type CliCommand, defineSubcommand } from "./command.ts";
import { Foo } from "./demo-service.ts";
import { escapeText } from "./escape.ts";
import { callExitCode, exitCode, signalExitCode } from "./exit-code.ts";
import { eitherOf, flag, type Parsed, toggle } from "./flags.ts";
import type { Io, Sink } from "./io.ts";
import { toJsonLine } from "./json.ts";
import {
  address,
  choice,
  duration,
  type Kind,
  text,
  wholeNumber,
} from "./kinds.ts";
import { selfCommand, selfEnv } from "./self.ts";
import { Signals } from "./signals.ts";
import { UsageError } from "./usage-error.ts";

const mostInFlight = 100_000;

/** Numbers of calls in flight, separated by commas. */
const counts: Kind<readonly number[]> = {
  hint: "number,…",
  isList: true,
  parse: (list) =>
    list.split(",").map((item) => wholeNumber(1, mostInFlight).parse(item)),
};

const file: Kind<string> = { ...text, hint: "file" };

/** A case, by its name. */
const caseName: Kind<CaseName> = { ...choice(caseNames), hint: "name" };

const flags = {
  case: flag(caseName, `what is measured: ${caseNames.join(", ")}`, "sum"),
  method: flag(text, "what is called, in the place of a case", "Foo.Sum"),
  args: flag(text, "its argument, as JSON; Foo.Sum varies it by itself"),
  server: flag(address, "measures this server instead of one of its own"),
  against: flag(file, "another geerpc executable, which takes turns with this"),
  codec: flag(
    codecType,
    "binary, json, gob or a whole CodecType; binary, or what the address says",
  ),
  connections: flag(wholeNumber(1, 10_000), "connections at a time", "1"),
  inflight: flag(
    counts,
    "calls in flight on each of them, a row for each number; by default as the case says",
  ),
  duration: flag(duration, "how long each row takes", "4s"),
  json: toggle("prints the figures as JSON"),
};

/** What starts the measured process; no part of the command line that users see. */
const serveFlag = "--serve";

const bench = defineSubcommand({
  name: "bench",
  description: "Measures calls, beside what the sockets themselves can do",
  flags,
  notes: `Starts a server as a process of its own and calls it over loopback. Every reply
is checked: the sums of Foo.Sum, for other methods that all replies equal the
first one. In turns with the calls it sends frames of the same size through raw
sockets, as many in flight and nothing in them: that is the limit, and ratio
says how near the calls come to it. With --server there is no limit.

Cases: sum is Foo.Sum with 1, 64 and 256 calls in flight; stream-small and
stream-64k read a stream of numbers, or of blocks of 64 KiB, as fast as it
comes; beside-stream has 64 calls in flight beside a stream of such blocks, in
turns with the same calls alone.

--against then runs another executable in turns with this one, each slice as
geerpc bench with a server and a load of its own, for --duration each and some
five times that in all. against is this one's calls per second divided by the
other's, the median of neighbouring slices; CPU against is the same of CPU time,
which swings less. With 20s there are 20 pairs: enough to tell 5 % from none.

Exit codes: 0 done, 1 a call failed or a reply was wrong, 2 wrong usage, 3 no
connection was made, 4 deadline exceeded, 130 interrupted.

  geerpc bench --inflight 1,1000 --duration 10s
  geerpc bench --against /tmp/before/geerpc --inflight 64 --duration 20s
  geerpc bench --method Foo.Echo --args '{"name":"a"}' --json`,

  async run(parsed, io) {
    const { values } = parsed;
    const measured = caseOf(parsed);
    if (values.duration === 0) {
      throw new UsageError("--duration=0: write how long, as in 4s");
    }
    const target = targetOf(parsed, io);
    checkStreams(parsed, measured, target);
    const against = await againstOf(parsed, measured, io);
    using signals = new Signals(io);
    try {
      const report = await runBench({
        benchCase: measured,
        ...(values.codec === undefined ? {} : { codec: values.codec }),
        connections: values.connections,
        inFlight: values.inflight ?? measured.inFlight,
        durationMs: values.duration,
        target,
        ...(against === undefined ? {} : { against }),
        signal: signals.abort,
        onProgress: (progress) => showProgress(progress, io.stderr),
      });
      clearProgress(io.stderr);
      const render = values.json ? renderJson : renderReport;
      io.stdout.write(`${render(report)}\n`);
      return report.cases.some(({ errors }) => errors > 0)
        ? exitCode.failed
        : exitCode.done;
    } catch (thrown) {
      clearProgress(io.stderr);
      if (signals.abort.aborted) return signalExitCode(await signals.first);
      const { code, message } = RpcError.from(thrown);
      io.stderr.write(`geerpc bench: ${code}: ${escapeText(message)}\n`);
      return callExitCode(thrown);
    }
  },
});

export const command: CliCommand = {
  ...bench,
  async run(context) {
    const isServer = context.rawArgs[0] === serveFlag;
    return isServer ? serve(context.data as Io) : bench.run?.(context);
  },
};

/** The measured process: it lives until its input ends, and leaves SIGINT to the process that started it. */
async function serve(io: Io): Promise<number> {
  using _signals = new Signals(io);
  let listening = "";
  await using server = new BenchServer({ Foo: new Foo(() => listening) });
  const addresses = await server.listen();
  listening = addresses.listening;
  io.stdout.write(`${toJsonLine(addresses)}\n`);
  await io.readStdin();
  return exitCode.done;
}

/** @throws UsageError a method that is none, or beside a case */
function caseOf(parsed: Parsed<typeof flags>): BenchCase {
  const { values } = parsed;
  const byMethod = eitherOf(parsed, "case", "method") === "method";
  const byArgs = eitherOf(parsed, "case", "args") === "args";
  if (!byMethod && !byArgs) return benchCase(values.case);
  const method = byMethod ? checkMethod(values.method) : undefined;
  return callsCase(workloadOf(method, byArgs ? argsOf(values) : undefined));
}

/** @throws UsageError a codec that the server's address does not speak */
function targetOf(
  parsed: Parsed<typeof flags>,
  io: Io,
): BenchOptions["target"] {
  const { server, codec } = parsed.values;
  if (eitherOf(parsed, "server", "against") === "server") {
    checkCodec([server as string], codec);
    return { address: server as string };
  }
  const command = [...selfCommand(), "bench", serveFlag];
  return { command, env: selfEnv(io.env) };
}

/** @throws UsageError a case that streams, with a server or a codec that has no such streams */
function checkStreams(
  { values }: Parsed<typeof flags>,
  { name, stream }: BenchCase,
  target: BenchOptions["target"],
): void {
  if (stream === undefined) return;
  if ("address" in target) {
    throw new UsageError(
      `--case=${name}: only the server that bench starts has its streams: leave out --server, or name one of your methods with --method`,
    );
  }
  if ((values.codec ?? binaryCodecType) === binaryCodecType) return;
  throw new UsageError(
    `--case=${name}: only the binary codec carries streams: leave out --codec`,
  );
}

/** @throws UsageError no geerpc */
async function againstOf(
  parsed: Parsed<typeof flags>,
  measured: BenchCase,
  io: Io,
): Promise<AgainstOptions | undefined> {
  if (eitherOf(parsed, "server", "against") !== "against") return undefined;
  const path = parsed.values.against as string;
  const executable = await findExecutable(path).catch((thrown: unknown) => {
    const { message } = RpcError.from(thrown);
    throw new UsageError(`--against=${escapeText(path)}: ${message}`);
  });
  const flags = loadFlags(parsed.values, measured);
  return { executable, self: selfCommand(), flags, env: selfEnv(io.env) };
}

/** What is measured, for both executables' `geerpc bench`: versions that know no cases have sum. */
function loadFlags(
  { codec, connections, args }: Parsed<typeof flags>["values"],
  { name, calls }: BenchCase,
): string[] {
  const written = [`--connections=${connections}`];
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

function argsOf({
  args,
}: Parsed<typeof flags>["values"]): { value: unknown } | undefined {
  if (args === undefined) return undefined;
  try {
    return { value: JSON.parse(args) };
  } catch {
    throw new UsageError(
      `--args=${escapeText(args)}: no JSON, write it as in '{"a":1}'`,
    );
  }
}

function showProgress(
  { inFlight, fraction, perSecond }: Progress,
  stderr: Sink,
): void {
  if (!stderr.isTerminal) return;
  const percent = Math.round(fraction * 100);
  const rate = Math.round(perSecond).toLocaleString("en-US");
  stderr.write(
    `\r\x1b[K${inFlight} in flight: ${rate}/s (${percent} % of the run)`,
  );
}

function clearProgress(stderr: Sink): void {
  if (stderr.isTerminal) stderr.write("\r\x1b[K");
}
