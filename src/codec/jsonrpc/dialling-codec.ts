import { maxNameBytes } from "../../wire/frame.ts";
import type { Limits } from "../../wire/limits.ts";
import type { SendBuffer } from "../../wire/send-buffer.ts";
import type { Codec, Form, Inbound, RequestHead } from "../codec.ts";
import { refuseUnlessPlain } from "../value.ts";
import { type Answer, readAnswer } from "./answer.ts";
import { features, lacking } from "./features.ts";
import {
  bodyText,
  isTooLong,
  messageReader,
  parseMessage,
  tooLong,
} from "./message.ts";
import { longName } from "./request.ts";
import type { ValueReader } from "./value-reader.ts";

/** The end that calls. The id of a request is its seq. */
export class DiallingCodec implements Codec {
  readonly features = features;
  readonly heldBytes = 0;
  readonly #limits: Limits;
  readonly #values: ValueReader;
  /** Answers of an array that was read, the next one last. */
  #rest: unknown[] = [];
  #hasNotified = false;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#values = messageReader(limits);
  }

  push(chunk: Uint8Array): void {
    this.#values.push(chunk);
  }

  read(inbound: Inbound): boolean {
    const isRest = this.#rest.length > 0;
    let value = this.#rest.pop();
    if (!isRest) {
      const text = this.#values.next();
      if (text === undefined) return false;
      value = parseMessage(text);
      if (Array.isArray(value)) {
        this.#rest = value.reverse();
        return true;
      }
    }
    const answer = readAnswer(value, this.#limits);
    if (answer !== undefined) this.#tell(answer, inbound);
    return true;
  }

  #tell(answer: Answer, inbound: Inbound): void {
    const { seq, reply, error } = answer;
    if (seq === 0) this.#tellOfConnection(answer, inbound);
    else if (error !== undefined) inbound.error(seq, error);
    else if (isTooLong(this.#values.bytes, 0, this.#limits)) {
      inbound.error(seq, tooLong(this.#limits));
    } else inbound.response(seq, reply);
  }

  /**
   * An answer without an id is the server's last word, or it answers a
   * notification, which Go's server does, in success and in failure. Its
   * errors are bare texts; it never gives a reason before it closes.
   */
  #tellOfConnection({ error, isCoded }: Answer, inbound: Inbound): void {
    if (error === undefined || (this.#hasNotified && !isCoded)) return;
    inbound.error(0, error);
  }

  writeSettings(): void {
    throw lacking("settings");
  }

  /** Appends `{"method":"Foo.Sum","params":[…],"id":1}` and LF, as Go does; a notification's id is null. */
  writeRequest(
    out: SendBuffer,
    { seq, serviceMethod, oneWay, isStream, metadata }: RequestHead,
    args: unknown,
    form?: Form,
  ): void {
    if (isStream) throw lacking("streams");
    if (metadata !== undefined) throw lacking("metadata");
    if (typeof form === "string" && form !== "json") {
      throw lacking(`a body encoding "${form}"`);
    }
    if (serviceMethod.length > maxNameBytes) throw longName();
    if (form !== "json") refuseUnlessPlain(args, this.#limits.maxDepth);
    const body = args === undefined ? "null" : bodyText(args, this.#limits);
    const method = JSON.stringify(serviceMethod);
    const id = oneWay ? "null" : seq;
    out.writeText(`{"method":${method},"params":[${body}],"id":${id}}\n`);
    this.#hasNotified ||= oneWay;
  }

  writeResponse(): void {
    throw lacking("calls to the dialling end");
  }

  writeError(): void {
    throw lacking("calls to the dialling end");
  }

  writeCancel(): void {
    throw lacking("cancellation");
  }

  writePiece(): void {
    throw lacking("pieces");
  }
}
