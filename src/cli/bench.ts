import { type Progress, runBench } from "../bench/bench.ts";
import { renderCharts, renderJson, renderReport } from "../bench/report.ts";
import { RpcError } from "../errors.ts";
import { benchFlags, benchOptionsOf } from "./bench-options.ts";
import { benchProcess } from "./bench-processes.ts";
import { type CliCommand, defineSubcommand } from "./command.ts";
import { escapeText } from "./escape.ts";
import { callExitCode, exitCode, signalExitCode } from "./exit-code.ts";
import type { Io, Sink } from "./io.ts";
import { Signals } from "./signals.ts";

const bench = defineSubcommand({
  name: "bench",
  description: "Measures calls, beside what the sockets themselves can do",
  flags: benchFlags,
  notes: `Starts a server as a process of its own and calls it over loopback. Every reply
is checked: the sums of Foo.Sum, for other methods that all replies equal the
first one. In turns with the calls it sends frames of the same size through raw
sockets, as many in flight and nothing in them: that is the limit, and ratio
says how near the calls come to it.

Cases: sum is Foo.Sum with 1, 64 and 256 calls in flight, with --floor also in
turns with a hand-made program that has nothing but framed calls; echo-1k an
object of 1 KB that comes back, beside what JSON alone would allow; bytes-64k
and bytes-4m bytes that come back; stream-small and stream-64k a stream of
numbers, or of blocks of 64 KiB, as fast as it comes; beside-stream 64 calls in
flight beside a stream of such blocks, in turns with the same calls alone;
xclient calls to three servers found by their registry, in turns with a plain
client; json and gob these codecs, in turns with the binary one.

With --server or --registry there is no limit. Several servers, and those of a
registry, are called in turns; they may come and go meanwhile. --rate says how
many calls there are a second, as users do, instead of how many at a time;
latencies then count from when a call was due, so that a stall shows in all of
the calls that it held up. One that could not begin within 5 s has failed: the
rate is more than can be had.
On a terminal there is also a chart of the latencies.

--against then runs another executable in turns with this one, each slice as
geerpc bench with a server and a load of its own, for --duration each and some
five times that in all. against is this one's calls per second divided by the
other's, the median of neighbouring slices; CPU against is the same of CPU time,
which swings less. With 20s there are 20 pairs: enough to tell 5 % from none.

Exit codes: 0 done, 1 a call failed or a reply was wrong, 2 wrong usage, 3 no
connection was made, 4 deadline exceeded, 130 interrupted.

  geerpc bench --inflight 1,1000 --duration 10s
  geerpc bench --case echo-1k --processes 2 --connections 4
  geerpc bench --registry http://10.0.0.1:9999 --rate 20000 --duration 5m
  geerpc bench --against /tmp/before/geerpc --inflight 64 --duration 20s
  geerpc bench --method Foo.Echo --args '{"name":"a"}' --json`,

  async run(parsed, io) {
    const options = await benchOptionsOf(parsed, io);
    using signals = new Signals(io);
    try {
      const report = await runBench({
        ...options,
        signal: signals.abort,
        onProgress: (progress) => showProgress(progress, io.stderr),
      });
      clearProgress(io.stderr);
      const { json } = parsed.values;
      io.stdout.write(`${json ? renderJson(report) : renderReport(report)}\n`);
      if (io.stdout.isTerminal && !json) io.stdout.write(renderCharts(report));
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
    const { rawArgs, data } = context;
    return benchProcess(rawArgs, data as Io) ?? bench.run?.(context);
  },
};

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
