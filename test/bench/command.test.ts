import { expect, test } from "bun:test";
import { join } from "node:path";
import { ServerProcess } from "../../src/bench/server-process.ts";

const main = join(import.meta.dir, "../../src/main.ts");

/** `geerpc bench …`, as users run it. */
function geerpcBench(...args: string[]) {
  return Bun.spawn([process.execPath, main, "bench", ...args], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

test("--json prints the figures of each case, and nothing else", async () => {
  const bench = geerpcBench(
    "--json",
    ...["--duration", "40ms"],
    ...["--inflight", "1,8"],
    ...["--codec", "json"],
  );
  const [stdout, stderr] = await Promise.all([
    bench.stdout.text(),
    bench.stderr.text(),
  ]);
  expect(stderr).toBe("");
  expect(await bench.exited).toBe(0);
  const { cases } = JSON.parse(stdout) as { cases: Record<string, unknown>[] };
  expect(cases.length).toBe(2);
  for (const [at, one] of cases.entries()) {
    expect(one).toEqual({
      case: "sum",
      unit: "calls",
      method: "Foo.Sum",
      codec: "application/json",
      connections: 1,
      inFlight: [1, 8][at],
      turns: 1,
      calls: expect.any(Number),
      errors: 0,
      callsPerSecond: expect.any(Number),
      p50Us: expect.any(Number),
      p99Us: expect.any(Number),
      p999Us: expect.any(Number),
      limitPerSecond: expect.any(Number),
      ratio: expect.any(Number),
      cpuUsPerCall: expect.any(Number),
      clientCpuUsPerCall: expect.any(Number),
      coresUsed: expect.any(Number),
      requestBytes: expect.any(Number),
      responseBytes: expect.any(Number),
      latenciesUs: expect.any(Array),
    });
  }
});

test("a method that fails: exit code 1, and one line", async () => {
  const bench = geerpcBench("--method", "Foo.Fail");
  expect(await bench.exited).toBe(1);
  expect(await bench.stdout.text()).toBe("");
  expect(await bench.stderr.text()).toStartWith("geerpc bench: unknown: ");
});

test("wrong replies of somebody else's server: the table, and exit code 1", async () => {
  const server = await ServerProcess.start([
    process.execPath,
    join(import.meta.dir, "serve.ts"),
  ]);
  const bench = geerpcBench(
    ...["--server", server.listening],
    ...["--method", "Foo.Wrong", "--args", "1"],
    ...["--duration", "40ms", "--inflight", "16"],
  );
  expect(await bench.exited).toBe(1);
  const stdout = await bench.stdout.text();
  expect(stdout).toContain("first failure: wrong reply");
  await server.close();
});

test("nobody there: exit code 3", async () => {
  const bench = geerpcBench("--server", "unix@/nowhere/geerpc.sock");
  expect(await bench.exited).toBe(3);
});

test.each([
  ["--inflight", "0"],
  ["--duration", "0"],
  ["--method", "Sum"],
  ["--args", "{"],
])("wrong usage: %s %s", async (flag, value) => {
  const bench = geerpcBench(flag, value);
  expect(await bench.exited).toBe(2);
  expect(await bench.stderr.text()).toContain(flag);
});

/** Who a process's children are is asked of /proc. */
const linuxTest = test.skipIf(process.platform !== "linux");

linuxTest("interrupted: 130, and no process is left behind", async () => {
  const bench = geerpcBench("--duration", "60s");
  const [server] = await childrenOf(bench.pid);
  bench.kill("SIGINT");
  expect(await bench.exited).toBe(130);
  expect(await isGone(server)).toBe(true);
});

linuxTest("killed: its server process ends by itself", async () => {
  const bench = geerpcBench("--duration", "60s");
  const [server] = await childrenOf(bench.pid);
  bench.kill("SIGKILL");
  await bench.exited;
  expect(await isGone(server)).toBe(true);
});

/** The process ids of `pid`'s children, once it has one. */
async function childrenOf(pid: number): Promise<number[]> {
  const file = Bun.file(`/proc/${pid}/task/${pid}/children`);
  for (;;) {
    const children = (await file.text()).split(" ").filter(Boolean).map(Number);
    if (children.length > 0) return children;
    await Bun.sleep(5);
  }
}

/** Waits until the process is gone: the test's own timeout is the limit. */
async function isGone(pid: number | undefined): Promise<boolean> {
  while (await Bun.file(`/proc/${pid}/cmdline`).exists()) {
    const text = await Bun.file(`/proc/${pid}/stat`).text();
    if (text.includes(") Z ")) return true;
    await Bun.sleep(5);
  }
  return true;
}
