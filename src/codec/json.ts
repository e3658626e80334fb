import { type Code, isCode, RpcError } from "../errors.ts";
import { cutMessage, maxNameBytes } from "../wire/frame.ts";
import type { Limits } from "../wire/limits.ts";
import { LineReader } from "../wire/line-reader.ts";
import type { SendBuffer } from "../wire/send-buffer.ts";
import type {
  Codec,
  CodecContext,
  CodecFeatures,
  Form,
  Inbound,
  RequestHead,
} from "./codec.ts";
import { parseJson, refuseUnlessPlain, stringifyJson } from "./value.ts";

const features: CodecFeatures = {
  settings: false,
  cancel: false,
  oneWay: false,
};

/** A header line: what a Go struct Header looks like through encoding/json, and our Code beside it. */
interface Header {
  ServiceMethod: string;
  Seq: number;
  Error: string;
  Code?: Code;
}

/**
 * The codec behind `application/json`: each message is two lines, header and
 * body; one with an Error has the body `{}`. Values that JSON would change are
 * refused, but for a lone undefined, which goes as null. PROTOCOL.md,
 * "application/json".
 */
export function jsonCodec(context: CodecContext): Codec {
  return new JsonCodec(context);
}

class JsonCodec implements Codec {
  readonly features = features;
  readonly heldBytes = 0;
  readonly #isAccepting: boolean;
  readonly #limits: Limits;
  readonly #lines: LineReader;
  #header: Header | undefined;

  constructor({ role, limits }: CodecContext) {
    this.#isAccepting = role === "accept";
    this.#limits = limits;
    this.#lines = new LineReader(limits.maxMessageBytes);
  }

  push(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  read(inbound: Inbound): boolean {
    const line = this.#lines.next();
    if (line === undefined) return false;
    const header = this.#header;
    if (header !== undefined) {
      this.#header = undefined;
      this.#readBody(header, line, inbound);
    } else if (line.trim() !== "") this.#readHeader(line, inbound);
    return true;
  }

  #readHeader(line: string, inbound: Inbound): void {
    const header = parseHeader(line);
    if (header.Seq === 0 && this.#isAccepting) {
      throw new RpcError("internal", "a request has Seq 0");
    }
    // A server that refuses before it has a codec sends one line without Seq or body.
    if (header.Seq === undefined) {
      const { code, message } = errorOf(header);
      inbound.error(0, new RpcError(code, message, { sent: false }));
    } else this.#header = header as Header;
  }

  #readBody(header: Header, line: string, inbound: Inbound): void {
    if (!this.#isAccepting && header.Error !== "") {
      inbound.error(header.Seq, errorOf(header));
      return;
    }
    let body: unknown;
    let error: RpcError | undefined;
    try {
      body = parseJson(line, this.#limits.maxDepth);
    } catch (thrown) {
      error = RpcError.from(thrown);
    }
    if (this.#isAccepting) {
      const head = headOf(header);
      if (head.serviceMethod.length > maxNameBytes) {
        // Cut, since the answer repeats it.
        head.serviceMethod = head.serviceMethod.slice(0, maxNameBytes);
        error = longName();
      }
      if (error === undefined) inbound.request(head, body);
      else inbound.badRequest(head, error);
    } else if (error === undefined) inbound.response(header.Seq, body);
    else {
      const { message } = error;
      inbound.error(
        header.Seq,
        new RpcError("internal", `the reply cannot be decoded: ${message}`),
      );
    }
  }

  writeSettings(): void {
    throw lacking("settings");
  }

  writeRequest(
    out: SendBuffer,
    { seq, serviceMethod, oneWay, isStream, metadata }: RequestHead,
    args: unknown,
    form?: Form,
  ): void {
    if (oneWay) throw lacking("one-way calls");
    if (isStream) throw lacking("streams");
    if (metadata !== undefined) throw lacking("metadata");
    if (typeof form === "string" && form !== "json") {
      throw lacking(`a body encoding "${form}"`);
    }
    this.#write(
      out,
      { ServiceMethod: serviceMethod, Seq: seq, Error: "" },
      args,
      form !== "json",
    );
  }

  writeResponse(
    out: SendBuffer,
    seq: number,
    serviceMethod: string,
    reply: unknown,
  ): void {
    this.#write(
      out,
      { ServiceMethod: serviceMethod, Seq: seq, Error: "" },
      reply,
      true,
    );
  }

  writeError(
    out: SendBuffer,
    seq: number,
    serviceMethod: string,
    error: RpcError,
  ): void {
    // An empty Error means success on this wire.
    const text = error.message === "" ? error.code : cutMessage(error.message);
    this.#write(
      out,
      { ServiceMethod: serviceMethod, Seq: seq, Error: text, Code: error.code },
      {},
      false,
    );
  }

  writeCancel(): void {
    throw lacking("cancellation");
  }

  writePiece(): void {
    throw lacking("pieces");
  }

  #write(
    out: SendBuffer,
    header: Header,
    body: unknown,
    isChecked: boolean,
  ): void {
    if (isChecked) refuseUnlessPlain(body, this.#limits.maxDepth);
    if (header.ServiceMethod.length > maxNameBytes) throw longName();
    const text = body === undefined ? "null" : stringifyJson(body);
    const { maxMessageBytes } = this.#limits;
    // A UTF-16 unit is at most three bytes of UTF-8.
    if (
      text.length * 3 > maxMessageBytes &&
      Buffer.byteLength(text) > maxMessageBytes
    ) {
      throw new RpcError(
        "resource_exhausted",
        `a message is over the limit of ${maxMessageBytes} bytes`,
      );
    }
    out.writeText(`${JSON.stringify(header)}\n${text}\n`);
  }
}

/**
 * Reads a header line. Seq may be missing in a refusal.
 *
 * @throws RpcError internal  no header: the framing is broken
 */
function parseHeader(line: string): Partial<Header> {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch (cause) {
    throw new RpcError("internal", "a header line is no JSON", { cause });
  }
  const {
    ServiceMethod = "",
    Seq,
    Error = "",
    Code,
  } = (json ?? {}) as Record<string, unknown>;
  const isSeq = Number.isSafeInteger(Seq) && (Seq as number) >= 0;
  const isRefusal = Seq === undefined && Error !== "";
  if (
    typeof ServiceMethod !== "string" ||
    typeof Error !== "string" ||
    !(isSeq || isRefusal)
  ) {
    throw new RpcError("internal", "a line is no header");
  }
  const header = { ServiceMethod, Seq: Seq as number, Error };
  return isCode(Code) ? { ...header, Code } : header;
}

function headOf({ Seq, ServiceMethod }: Header): RequestHead {
  return {
    seq: Seq,
    serviceMethod: ServiceMethod,
    timeoutMs: 0,
    sentAtMs: 0,
    oneWay: false,
  };
}

/** Of a message that carries no code, `unknown`: its server is no geerpc. */
function errorOf({
  Error: message = "",
  Code = "unknown",
}: Partial<Header>): RpcError {
  return new RpcError(Code, message);
}

function longName(): RpcError {
  return new RpcError(
    "invalid_argument",
    `a ServiceMethod is over the limit of ${maxNameBytes} characters`,
  );
}

function lacking(what: string): RpcError {
  return new RpcError(
    "unimplemented",
    `application/json has no ${what}; the binary codec does`,
  );
}
