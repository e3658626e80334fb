import type {
  Codec,
  CodecContext,
  Inbound,
  RequestHead,
} from "../../../src/codec/codec.ts";
import { jsonRpcCodec } from "../../../src/codec/jsonrpc/jsonrpc.ts";
import { RpcError } from "../../../src/errors.ts";
import { SendBuffer } from "../../../src/wire/send-buffer.ts";
import { headOf, Recorder } from "../recorder.ts";

/**
 * The JSON-RPC codec for the suite that every codec passes, which takes for
 * granted that a seq is the same at both ends, and answers what was never
 * asked. Here the accepting end counts for itself, and knows an id only from
 * its request: so what it tells is told by its id, and what it is to answer
 * is asked first.
 */
export function jsonRpcById(context: CodecContext): Codec {
  const codec = jsonRpcCodec(context);
  return context.role === "accept" ? new ById(codec) : codec;
}

class ById implements Codec {
  readonly #codec: Codec;

  constructor(codec: Codec) {
    this.#codec = codec;
  }

  get features() {
    return this.#codec.features;
  }

  get heldBytes() {
    return this.#codec.heldBytes;
  }

  push(chunk: Uint8Array): void {
    this.#codec.push(chunk);
  }

  read(inbound: Inbound): boolean {
    const recorder = new Recorder();
    const errors: RpcError[] = [];
    recorder.badRequest = (head, error) => {
      errors.push(error);
      Recorder.prototype.badRequest.call(recorder, head, error);
    };
    const isRead = this.#codec.read(recorder);
    for (const told of recorder.take()) {
      if (told.kind === "request") {
        inbound.request(this.#byId(told.head), told.args);
      } else if (told.kind === "badRequest") {
        inbound.badRequest(this.#byId(told.head), errors.shift() as RpcError);
      }
    }
    return isRead;
  }

  /** The id stands in the answer. */
  #byId(head: RequestHead): RequestHead {
    if (head.oneWay) return head;
    const out = new SendBuffer();
    this.#codec.writeError(out, head.seq, "", new RpcError("aborted", ""));
    const { id } = JSON.parse(Buffer.from(out.pending()).toString());
    return { ...head, seq: id };
  }

  /** The seq of a request that has the id. */
  #ask(id: number): number {
    const recorder = new Recorder();
    this.#codec.push(Buffer.from(`{"method":"A.b","params":[],"id":${id}}`));
    while (this.#codec.read(recorder));
    const told = recorder.takeOne();
    return told.kind === "request" ? told.head.seq : -1;
  }

  writeSettings(...args: Parameters<Codec["writeSettings"]>): void {
    this.#codec.writeSettings(...args);
  }

  writeRequest(out: SendBuffer, _head: RequestHead, args: unknown): void {
    this.#codec.writeRequest(out, headOf(), args);
  }

  writeResponse(
    out: SendBuffer,
    seq: number,
    serviceMethod: string,
    reply: unknown,
  ): void {
    this.#codec.writeResponse(out, this.#ask(seq), serviceMethod, reply);
  }

  writeError(
    out: SendBuffer,
    seq: number,
    serviceMethod: string,
    error: RpcError,
  ): void {
    const asked = seq === 0 ? 0 : this.#ask(seq);
    this.#codec.writeError(out, asked, serviceMethod, error);
  }

  writeCancel(out: SendBuffer, seq: number): void {
    this.#codec.writeCancel(out, seq);
  }

  writePiece(out: SendBuffer): void {
    this.#codec.writePiece(out);
  }
}
