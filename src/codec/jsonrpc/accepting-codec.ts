import { RpcError } from "../../errors.ts";
import type { Limits } from "../../wire/limits.ts";
import type { SendBuffer } from "../../wire/send-buffer.ts";
import type { Codec, Inbound } from "../codec.ts";
import { type Asked, errorText, replyText } from "./answer-text.ts";
import { Batch, OpenBatches } from "./batch.ts";
import { invalidRequestNumber, parseErrorNumber } from "./error-numbers.ts";
import { features, lacking } from "./features.ts";
import { isTooLong, messageReader, parseMessage, tooLong } from "./message.ts";
import { readIdTexts, readRequest, type Request } from "./request.ts";
import type { ValueReader } from "./value-reader.ts";

/** A request that has no answer yet. */
interface OpenCall extends Asked {
  batch: Batch | undefined;
}

/** The end that serves. Seqs are its own count, since an id may be anything, also twice the same. */
export class AcceptingCodec implements Codec {
  readonly features = features;
  readonly heldBytes = 0;
  readonly #limits: Limits;
  readonly #values: ValueReader;
  readonly #batches: OpenBatches;
  readonly #calls = new Map<number, OpenCall>();
  #seq = 0;
  /** Requests of a batch that was read, the next one last. */
  #rest: Request[] = [];
  #restBatch: Batch | undefined;
  /** How the peer spoke last: what an error is written in that answers nothing. */
  #version: Asked["version"] = 2;
  #hasParseError = false;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#values = messageReader(limits);
    this.#batches = new OpenBatches(limits);
  }

  push(chunk: Uint8Array): void {
    this.#values.push(chunk);
  }

  read(inbound: Inbound): boolean {
    const next = this.#rest.pop();
    if (next !== undefined) {
      this.#tell(next, this.#restBatch, inbound);
      return true;
    }
    const message = this.#nextMessage();
    if (message === undefined) return false;
    const { value, idTexts } = message;
    if (!Array.isArray(value)) {
      const request = readRequest(value, idTexts, this.#limits);
      this.#refuseIfTooLong(request);
      this.#tell(request, undefined, inbound);
    } else if (value.length === 0) {
      const error = new RpcError("invalid_argument", "a batch is empty");
      this.#tell(refusalOf(error, invalidRequestNumber), undefined, inbound);
    } else this.#readBatch(value, idTexts, inbound);
    return true;
  }

  #nextMessage() {
    try {
      const text = this.#values.next();
      if (text === undefined) return undefined;
      const value = parseMessage(text);
      return { value, idTexts: readIdTexts(text, value) };
    } catch (thrown) {
      const error = RpcError.from(thrown, "internal");
      this.#hasParseError = error.code !== "resource_exhausted";
      throw error;
    }
  }

  #readBatch(
    values: readonly unknown[],
    idTexts: ReadonlyMap<object, string> | undefined,
    inbound: Inbound,
  ): void {
    try {
      this.#batches.admit(values.length);
    } catch (thrown) {
      const refusal = refusalOf(RpcError.from(thrown), undefined);
      this.#tell(refusal, undefined, inbound);
      return;
    }
    const requests = values.map((value) =>
      readRequest(value, idTexts, this.#limits),
    );
    const waiting = requests.filter(({ id }) => id !== undefined).length;
    this.#rest = requests.reverse();
    this.#restBatch = new Batch(waiting);
  }

  #refuseIfTooLong(request: Request): void {
    const { bytes } = this.#values;
    if (bytes <= this.#limits.maxMessageBytes) return;
    const { serviceMethod, id = "" } = request;
    const nameBytes = Buffer.byteLength(JSON.stringify(serviceMethod) + id);
    if (isTooLong(bytes, nameBytes, this.#limits)) {
      request.error ??= tooLong(this.#limits);
    }
  }

  #tell(
    { version, id, serviceMethod, args, error, number }: Request,
    batch: Batch | undefined,
    inbound: Inbound,
  ): void {
    const seq = ++this.#seq;
    const oneWay = id === undefined;
    const head = { seq, serviceMethod, timeoutMs: 0, sentAtMs: 0, oneWay };
    this.#version = version;
    if (id !== undefined) this.#calls.set(seq, { version, id, number, batch });
    if (error === undefined) inbound.request(head, args);
    else inbound.badRequest(head, error);
  }

  writeSettings(): void {
    throw lacking("settings");
  }

  writeRequest(): void {
    throw lacking("calls to the dialling end");
  }

  writeResponse(
    out: SendBuffer,
    seq: number,
    _serviceMethod: string,
    reply: unknown,
  ): void {
    const call = this.#calls.get(seq);
    if (call === undefined) return;
    const text = replyText(call, reply, this.#limits);
    if (call.batch !== undefined && !this.#batches.hasRoom(text)) {
      throw new RpcError(
        "resource_exhausted",
        "the answers of open batches are over the limit of a message",
      );
    }
    this.#answer(out, seq, call, text);
  }

  writeError(
    out: SendBuffer,
    seq: number,
    _serviceMethod: string,
    error: RpcError,
  ): void {
    if (seq === 0) {
      const asked = {
        version: this.#version,
        id: "null",
        number: this.#hasParseError ? parseErrorNumber : undefined,
      };
      out.writeText(`${errorText(asked, error, this.#limits)}\n`);
      return;
    }
    const call = this.#calls.get(seq);
    if (call === undefined) return;
    let text = errorText(call, error, this.#limits);
    if (call.batch !== undefined && !this.#batches.hasRoom(text)) {
      const short = new RpcError(error.code, "");
      text = errorText(call, short, this.#limits);
    }
    this.#answer(out, seq, call, text);
  }

  #answer(out: SendBuffer, seq: number, call: OpenCall, text: string): void {
    this.#calls.delete(seq);
    if (call.batch === undefined) out.writeText(`${text}\n`);
    else this.#batches.add(out, call.batch, text);
  }

  writeCancel(): void {
    throw lacking("cancellation");
  }

  writePiece(): void {
    throw lacking("pieces");
  }
}

/** Answers a batch of which no request is answered by itself. */
function refusalOf(error: RpcError, number: number | undefined): Request {
  return {
    version: 2,
    id: "null",
    serviceMethod: "",
    args: undefined,
    error,
    number,
  };
}
