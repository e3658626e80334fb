import { expect, test } from "bun:test";
import { gobCodec, netRpcCodec } from "../../../src/codec/gob/rpc-codec.ts";
import { RpcError } from "../../../src/errors.ts";
import { SendBuffer } from "../../../src/wire/send-buffer.ts";
import { contextOf, headOf, readAll, Recorder, takeAll } from "../recorder.ts";

const illFormed = new RpcError("invalid_argument", "ill-formed");

test("net/rpc: a request without a name is answered, an error of the connection is not sent", () => {
  const dial = netRpcCodec(contextOf("dial"));
  const accept = netRpcCodec(contextOf("accept"));
  const out = new SendBuffer();
  const recorder = new Recorder();
  for (const seq of [0, 1]) {
    dial.writeRequest(out, headOf({ seq, serviceMethod: "" }), {});
    readAll(accept, recorder, takeAll(dial, out));
    expect(recorder.takeOne()).toMatchObject({ kind: "request" });
    accept.writeError(out, seq, "", illFormed);
    readAll(dial, recorder, takeAll(accept, out));
    expect(recorder.takeOne()).toMatchObject({ kind: "error", seq });
  }
  accept.writeError(out, 0, "", illFormed);
  expect(out.length).toBe(0);
});

test("the original: behind a name that is ill-formed it has lost step", () => {
  const dial = gobCodec(contextOf("dial"));
  const accept = gobCodec(contextOf("accept"));
  const out = new SendBuffer();
  const recorder = new Recorder();
  const text = "rpc server: service/method request ill-formed: X";
  accept.writeError(out, 1, "X", new RpcError("invalid_argument", text));
  readAll(dial, recorder, takeAll(accept, out));
  expect(recorder.take()).toMatchObject([
    { kind: "error", seq: 1, code: "invalid_argument" },
    { kind: "error", seq: 0, code: "unavailable" },
  ]);
});
