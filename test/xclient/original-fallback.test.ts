import { expect, test } from "bun:test";
import { Client } from "../../src/client/client.ts";
import type { ClientOptions } from "../../src/client/options.ts";
import { UnansweredError } from "../../src/client/unanswered-error.ts";
import { binaryCodecType, gobCodecType } from "../../src/codec/table.ts";
import { RpcError } from "../../src/errors.ts";
import type { Endpoint } from "../../src/discovery/discovery.ts";
import { StaticDiscovery } from "../../src/discovery/static.ts";
import { Server } from "../../src/server/server.ts";
import { parseAddress } from "../../src/transport/address.ts";
import { listenPipes } from "../../src/transport/listen.ts";
import { memoryPipe } from "../../src/transport/memory.ts";
import { OriginalFallback } from "../../src/xclient/original-fallback.ts";
import { XClient } from "../../src/xclient/xclient.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { PipeEar } from "../support/pipe-ear.ts";

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

const untold: Endpoint = { address, services: undefined };

/** Has the client answered, which shows that gob is understood. */
async function answered(client: Client): Promise<void> {
  const error = await client.call("Foo.nope").catch((thrown) => thrown);
  expect(error).toMatchObject({ code: "unimplemented" });
}

test("a close without a byte leads to gob, and is remembered for 60 s from its answer on", async () => {
  const clock = new ManualClock();
  const { dial } = new OriginalFallback(original.dial, clock);
  const client = await dial(address, {}, untold);
  expect(original.codecs.splice(0)).toEqual([undefined, gobCodecType]);
  await answered(client);
  await clock.advance(59_999);
  await dial(address, {}, untold);
  expect(original.codecs.splice(0)).toEqual([gobCodecType]);
  await client.close();
  await dial(address, {}, untold);
  expect(original.codecs.splice(0)).toEqual([gobCodecType]);
  await clock.advance(1);
  await dial(address, {}, untold);
  expect(original.codecs.splice(0)).toEqual([undefined, gobCodecType]);
});

test("a gob connection over which nothing came is no finding", async () => {
  const { dial } = new OriginalFallback(original.dial, new ManualClock());
  const silent = await dial(address, {}, untold);
  expect(original.codecs.splice(0)).toEqual([undefined, gobCodecType]);
  await dial(address, {}, untold);
  expect(original.codecs.splice(0)).toEqual([undefined, gobCodecType]);
  await silent.close();
  const client = await dial(address, {}, untold);
  expect(original.codecs.splice(0)).toEqual([undefined, gobCodecType]);
  await answered(client);
  await dial(address, {}, untold);
  expect(original.codecs.splice(0)).toEqual([gobCodecType]);
});

test("a server that tells its services is no original", async () => {
  const { dial } = new OriginalFallback(original.dial, new ManualClock());
  const told: Endpoint = { address, services: ["Foo"] };
  expect(
    await dial(address, {}, told).catch((thrown) => thrown),
  ).toBeInstanceOf(UnansweredError);
  expect(original.codecs.splice(0)).toEqual([undefined]);
});

test("a codec that was chosen is the only one tried", async () => {
  const { dial } = new OriginalFallback(original.dial, new ManualClock());
  expect(
    await dial(address, { codec: binaryCodecType }, untold).catch(
      (thrown) => thrown,
    ),
  ).toBeInstanceOf(UnansweredError);
  expect(original.codecs.splice(0)).toEqual([binaryCodecType]);
});

test("any other failure is no reason to try gob", async () => {
  const { codecs, dial: failing } = dialler(
    () => new RpcError("unavailable", "refused", { sent: false }),
  );
  const { dial } = new OriginalFallback(failing, new ManualClock());
  expect(
    await dial(address, {}, untold).catch((thrown) => thrown),
  ).toMatchObject({ code: "unavailable" });
  expect(codecs).toEqual([undefined]);
});

test("a geerpc server whose connection is reset while it is dialled stays one", async () => {
  await using server = new Server();
  const service = { bytes: (value: unknown) => value };
  server.register(service, "Echo");
  let resets = 2;
  const listener = await listenPipes(
    parseAddress("tcp@127.0.0.1:0"),
    (pipe) => {
      if (resets-- > 0) {
        const ear = new PipeEar();
        pipe.attach(ear);
        void ear.until(() => ear.byteCount > 0).then(() => pipe.abort());
      } else server.serve(pipe);
    },
  );
  await using xc = new XClient(new StaticDiscovery([listener.address]));
  for (let call = 0; call < 2; call++) {
    const error = await xc.call("Echo.bytes", 1).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "unavailable", sent: false });
  }
  // What gob would change arrives as it left.
  const value = { at: new Date(5), none: null, ids: new Set([1n]) };
  expect(await xc.call("Echo.bytes", value)).toEqual(value);
  listener.close();
});
