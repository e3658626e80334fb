import { createCodec } from "../../src/codec/table.ts";
import { defaultLimits } from "../../src/wire/limits.ts";
import { SendBuffer } from "../../src/wire/send-buffer.ts";
import { Recorder } from "../codec/recorder.ts";
import { median, mib, report } from "./figures.ts";

/** A message in pieces of one byte: four times the length may cost about four times the time. */
export function oneByteWrites(): void {
  const timeOf = (bytes: number): number => {
    const context = { limits: defaultLimits, bodies: [] };
    const dial = createCodec("application/json", { role: "dial", ...context });
    const accept = createCodec("application/json", {
      role: "accept",
      ...context,
    });
    const out = new SendBuffer();
    const head = {
      seq: 1,
      serviceMethod: "Foo.Echo",
      timeoutMs: 0,
      sentAtMs: 0,
      oneWay: false,
    };
    dial.writeRequest(out, head, "x".repeat(bytes));
    const message = out.pending();
    const recorder = new Recorder();
    const startedAt = performance.now();
    for (let at = 0; at < message.length; at++) {
      accept.push(message.subarray(at, at + 1));
      while (accept.read(recorder));
    }
    if (recorder.told.length !== 1) throw new Error("the message did not come");
    return performance.now() - startedAt;
  };
  timeOf(mib / 4);
  const ratios = Array.from(
    { length: 5 },
    () => timeOf(3.9 * mib) / timeOf(mib),
  );
  report(
    "3.9 MiB byte by byte, against 1 MiB",
    median(ratios),
    { atMost: 3.9 * 1.5 },
    "times",
  );
}
