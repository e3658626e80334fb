import { BenchServer } from "../bench/bench-server.ts";
import { type Progress, runBench } from "../bench/bench.ts";
import { renderJson, renderReport } from "../bench/report.ts";
import { workloadOf } from "../bench/workload.ts";
import { RpcError } from "../errors.ts";
import { checkCodec, codecType } from "./codec-kind.ts";
import { type CliCommand, defineSubcommand } from "./command.ts";
import { Foo } from "./demo-service.ts";
import { escapeText } from "./escape.ts";
import { callExitCode, exitCode, signalExitCode } from "./exit-code.ts";
import { flag, type Parsed, toggle } from "./flags.ts";
import type { Io, Sink } from "./io.ts";
import { toJsonLine } from "./json.ts";
import { address, duration, type Kind, text, wholeNumber } from "./kinds.ts";
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

const flags = {
  server: flag(address, "measures this server instead of one of its own"),
  method: flag(text, "what is called", "Foo.Sum"),
  args: flag(text, "its argument, as JSON; Foo.Sum varies it by itself"),
  codec: flag(
    codecType,
    "binary, json, gob or a whole CodecType; binary, or what the address says",
  ),
  connections: flag(wholeNumber(1, 10_000), "connections at a time", "1"),
  inflight: flag(
    counts,
    "calls in flight on each of them, a case for each number",
    "1,64,256",
  ),
  duration: flag(duration, "how long each case takes", "4s"),
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

Exit codes: 0 done, 1 a call failed or a reply was wrong, 2 wrong usage, 3 no
connection was made, 4 deadline exceeded, 130 interrupted.

  geerpc bench --inflight 1,1000 --duration 10s
  geerpc bench --method Foo.Echo --args '{"name":"a"}' --json`,

  async run({ values }, io) {
    const { server } = values;
    const workload = workloadOf(checkMethod(values.method), argsOf(values));
    if (values.duration === 0) {
      throw new UsageError("--duration=0: write how long, as in 4s");
    }
    if (server !== undefined) checkCodec([server], values.codec);
    using signals = new Signals(io);
    try {
      const report = await runBench({
        workload,
        ...(values.codec === undefined ? {} : { codec: values.codec }),
        connections: values.connections,
        inFlight: values.inflight,
        durationMs: values.duration,
        target:
          server === undefined
            ? {
                command: [...selfCommand(), "bench", serveFlag],
                env: selfEnv(io.env),
              }
            : { address: server },
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
  { inFlight, fraction, callsPerSecond }: Progress,
  stderr: Sink,
): void {
  if (!stderr.isTerminal) return;
  const percent = Math.round(fraction * 100);
  const rate = Math.round(callsPerSecond).toLocaleString("en-US");
  stderr.write(
    `\r\x1b[K${inFlight} in flight: ${rate} calls/s (${percent} % of the run)`,
  );
}

function clearProgress(stderr: Sink): void {
  if (stderr.isTerminal) stderr.write("\r\x1b[K");
}
