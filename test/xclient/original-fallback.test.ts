import { expect, test } from "bun:test";
import { Client, UnansweredError } from "../../src/client/client.ts";
import type { ClientOptions } from "../../src/client/options.ts";
import { binaryCodecType, gobCodecType } from "../../src/codec/table.ts";
import { RpcError } from "../../src/errors.ts";
import { Server } from "../../src/server/server.ts";
import { memoryPipe } from "../../src/transport/memory.ts";
import { OriginalFallback } from "../../src/xclient/original-fallback.ts";
import { ManualClock } from "../support/manual-clock.ts";

const address = "tcp@original:1";

/** Dials to a server of which `refuses` says which codec it closes on; counts. */
function dialler(refuses: (codec: string) => Error | undefined) {
  const codecs: (string | undefined)[] = [];
  const dial = async (_address: string, options: ClientOptions) => {
    codecs.push(options.codec);
    const error = refuses(options.codec ?? binaryCodecType);
    if (error !== undefined) throw error;
    const [near, far] = memoryPipe();
    new Server().serve(far);
    return Client.over(near, options);
  };
  return { codecs, dial };
}

const original = dialler((codec) =>
  codec === gobCodecType ? undefined : new UnansweredError("closed"),
);

test("a close without a byte leads to gob, and is remembered for 60 s", async () => {
  const clock = new ManualClock();
  const { dial } = new OriginalFallback(original.dial, clock);
  await dial(address, {});
  expect(original.codecs.splice(0)).toEqual([undefined, gobCodecType]);
  await clock.advance(59_999);
  await dial(address, {});
  expect(original.codecs.splice(0)).toEqual([gobCodecType]);
  await clock.advance(1);
  await dial(address, {});
  expect(original.codecs.splice(0)).toEqual([undefined, gobCodecType]);
  await dial("tcp@another:1", {});
  expect(original.codecs.splice(0)).toEqual([undefined, gobCodecType]);
});

test("a codec that was chosen is the only one tried", async () => {
  const { dial } = new OriginalFallback(original.dial, new ManualClock());
  await expect(
    dial(address, { codec: binaryCodecType }),
  ).rejects.toBeInstanceOf(UnansweredError);
  expect(original.codecs.splice(0)).toEqual([binaryCodecType]);
});

test("any other failure is no reason to try gob", async () => {
  const { codecs, dial: failing } = dialler(
    () => new RpcError("unavailable", "refused", { sent: false }),
  );
  const { dial } = new OriginalFallback(failing, new ManualClock());
  await expect(dial(address, {})).rejects.toMatchObject({
    code: "unavailable",
  });
  expect(codecs).toEqual([undefined]);
});
