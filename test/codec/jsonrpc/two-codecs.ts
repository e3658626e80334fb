import type { Codec } from "../../../src/codec/codec.ts";
import { jsonRpcCodec } from "../../../src/codec/jsonrpc/jsonrpc.ts";
import { RpcError } from "../../../src/errors.ts";
import type { Limits } from "../../../src/wire/limits.ts";
import { SendBuffer } from "../../../src/wire/send-buffer.ts";
import { contextOf, readAll, Recorder, type Told } from "../recorder.ts";

/** What is written by `write`, as text. */
export function textOf(write: (out: SendBuffer) => void): string {
  const out = new SendBuffer();
  write(out);
  return Buffer.from(out.pending()).toString();
}

/** The accepting end, fed with text and answering into text. */
export class Accepting {
  readonly codec: Codec;
  readonly #recorder = new Recorder();

  constructor(limits: Partial<Limits> = {}) {
    this.codec = jsonRpcCodec(contextOf("accept", limits));
  }

  read(text: string | Uint8Array, chunkBytes = Infinity): Told[] {
    readAll(this.codec, this.#recorder, Buffer.from(text), chunkBytes);
    return this.#recorder.take();
  }

  /** Reads, and answers each request with its argument, or with its error. */
  serve(text: string, chunkBytes = Infinity): string {
    const told = this.read(text, chunkBytes);
    return told.map((one) => this.answer(one)).join("");
  }

  /** What is sent for what was told, when a session has it. */
  answer(told: Told, answer?: unknown): string {
    if (told.kind === "badRequest") {
      const { seq, oneWay } = told.head;
      if (oneWay) return "";
      return this.fail(seq, new RpcError(told.code as "internal", "no"));
    }
    if (told.kind !== "request") throw new Error(`told of ${told.kind}`);
    const { seq, oneWay } = told.head;
    if (oneWay) return "";
    return this.reply(seq, answer === undefined ? told.args : answer);
  }

  reply(seq: number, reply: unknown): string {
    return textOf((out) => this.codec.writeResponse(out, seq, "A.b", reply));
  }

  fail(seq: number, error: RpcError): string {
    return textOf((out) => this.codec.writeError(out, seq, "A.b", error));
  }
}

/** The dialling end, fed with text. */
export class Dialling {
  readonly codec: Codec;
  readonly #recorder = new Recorder();

  constructor(limits: Partial<Limits> = {}) {
    this.codec = jsonRpcCodec(contextOf("dial", limits));
  }

  read(text: string | Uint8Array, chunkBytes = Infinity): Told[] {
    readAll(this.codec, this.#recorder, Buffer.from(text), chunkBytes);
    return this.#recorder.take();
  }
}
