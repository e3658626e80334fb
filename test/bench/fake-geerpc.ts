import { appendFile } from "node:fs/promises";

// A geerpc bench that measures nothing: it writes down with what it was
// started, and its rate is what --inflight says.
const [, , ...args] = process.argv;
const told = (name: string) =>
  args.find((arg) => arg.startsWith(`--${name}=`))?.split("=")[1];
const record = process.env["FAKE_RECORD"] as string;

await appendFile(record, `${JSON.stringify({ args, pid: process.pid })}\n`);
const mode = process.env["FAKE_MODE"];
if (mode === "hang") await Bun.sleep(60_000);
const row = {
  callsPerSecond: mode === "silent" ? 0 : Number(told("inflight")),
  cpuUsPerCall: mode === "idle" ? null : 2.5,
  ...(mode === "wrong" ? { firstFailure: "wrong reply" } : {}),
};
if (mode === "garbage") console.log("no JSON");
else if (mode === "old") console.error("unknown flag --case");
else console.log(JSON.stringify({ cases: [row] }));
if (mode === "wrong") process.exitCode = 1;
if (mode === "old") process.exitCode = 2;
