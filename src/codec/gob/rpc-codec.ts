import { isCode, RpcError } from "../../errors.ts";
import type { SendBuffer } from "../../wire/send-buffer.ts";
import type {
  Codec,
  CodecContext,
  CodecFeatures,
  DeclaredTypes,
  Form,
  Inbound,
  RequestHead,
} from "../codec.ts";
import { cutMessage } from "../../wire/frame.ts";
import { classifyGoError, isOutOfStep } from "../go-errors.ts";
import { gob } from "./gob.ts";
import { GobDecoder, type GobDecoderOptions } from "./gob-decoder.ts";
import { GobEncoder } from "./gob-encoder.ts";
import type { GobType } from "./gob-type.ts";
import { Inference } from "./inference.ts";
import { Inferences, remember } from "./inferences.ts";
import { emptyStruct } from "./type-finder.ts";

const features: CodecFeatures = {
  settings: false,
  cancel: false,
  oneWay: false,
};

/** The struct in front of each body, by dialect and direction. */
const headerTypes = {
  /** Go reads the fields that it knows; Code is ours, so that codes survive between geerpc peers. */
  geerpc: struct("Header", {
    ...nameAndSeq(),
    Error: gob.string,
    Code: gob.string,
  }),
  original: struct("Header", { ...nameAndSeq(), Error: gob.string }),
  request: struct("Request", nameAndSeq()),
  response: struct("Response", { ...nameAndSeq(), Error: gob.string }),
};

interface Header {
  ServiceMethod: string;
  Seq: number;
  Error: string;
  Code: string;
}

/** `application/gob`: the original's stream behind its Option. */
export function gobCodec(context: CodecContext): Codec {
  const type = context.isGeerpcPeer ? headerTypes.geerpc : headerTypes.original;
  return new GobRpcCodec(context, type, "geerpc");
}

/** The stream of Go's net/rpc, which begins without an Option. */
export function netRpcCodec(context: CodecContext): Codec {
  const { role } = context;
  const type = role === "dial" ? headerTypes.request : headerTypes.response;
  return new GobRpcCodec(context, type, "net/rpc");
}

/**
 * Each message is two gob values, header and body, in one stream of types per
 * direction. What a value alone does not tell of its Go type is declared,
 * taken from the argument that a reply answers, or inferred with a memory per
 * method. The body of an error is `struct{}{}`.
 */
class GobRpcCodec implements Codec {
  readonly features = features;
  readonly heldBytes = 0;
  readonly #context: CodecContext;
  readonly #headerType: GobType;
  readonly #dialect: "geerpc" | "net/rpc";
  readonly #decoder: GobDecoder;
  #encoder: GobEncoder;
  #hasDefinedHeader = false;
  /** The header whose body comes next. */
  #header: Header | undefined;
  /** By method: types for this connection, made of what is known from others, too. */
  readonly #inferenceOf = new Map<string, Inference>();
  readonly #inferences: Inferences;
  /** The types of arguments received, by method. */
  readonly #argumentTypes = new Map<string, GobType>();
  /** Requests of net/rpc without a name, by seq: their errors look like the connection's. */
  readonly #nameless = new Set<number>();

  constructor(
    context: CodecContext,
    headerType: GobType,
    dialect: "geerpc" | "net/rpc",
  ) {
    this.#context = context;
    this.#headerType = headerType;
    this.#dialect = dialect;
    this.#inferences = context.inferences ?? new Inferences();
    this.#decoder = new GobDecoder(this.#streamOptions());
    this.#encoder = this.#newEncoder();
  }

  push(chunk: Uint8Array): void {
    this.#decoder.push(chunk);
  }

  read(inbound: Inbound): boolean {
    const result = this.#decoder.next();
    if (result === undefined) return false;
    const header = this.#header;
    if (header === undefined) {
      if (result.error !== undefined) throw broken(result.error);
      this.#header = readHeader(result.value);
      return true;
    }
    this.#header = undefined;
    if (this.#context.role === "accept") {
      const head = headOf(header);
      if (this.#dialect === "net/rpc" && header.ServiceMethod === "") {
        this.#nameless.add(header.Seq);
      }
      if (result.error !== undefined) inbound.badRequest(head, result.error);
      else {
        remember(this.#argumentTypes, header.ServiceMethod, result.type);
        inbound.request(head, result.value);
      }
    } else if (header.Error !== "") this.#readError(header, inbound);
    else if (result.error === undefined)
      inbound.response(header.Seq, result.value);
    else inbound.error(header.Seq, undecodable(result.error));
    return true;
  }

  #readError(header: Header, inbound: Inbound): void {
    const { Seq, Error: message, Code } = header;
    const code = isCode(Code) ? Code : classifyGoError(message);
    inbound.error(Seq, new RpcError(code, message));
    // The original does not consume the body of a request that it cannot
    // route: it takes that for a header next, and the connection is lost.
    if (this.#dialect === "geerpc" && Code === "" && isOutOfStep(message)) {
      inbound.error(
        0,
        new RpcError("unavailable", `the server lost step after: ${message}`),
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
    if (typeof form === "string") throw lacking("other body encodings");
    const declared = form ?? this.#declared(serviceMethod)?.args;
    const header = headerOf(seq, serviceMethod);
    this.#write(out, header, args, declared, undefined, "args");
  }

  writeResponse(
    out: SendBuffer,
    seq: number,
    serviceMethod: string,
    reply: unknown,
  ): void {
    const declared = this.#declared(serviceMethod)?.reply;
    const hint = this.#argumentTypes.get(serviceMethod);
    const header = headerOf(seq, serviceMethod);
    this.#write(out, header, reply, declared, hint, "reply");
  }

  writeError(
    out: SendBuffer,
    seq: number,
    serviceMethod: string,
    { code, message }: RpcError,
  ): void {
    // net/rpc counts from 0: an error of the connection would fail a call.
    if (this.#dialect === "net/rpc" && serviceMethod === "") {
      if (!this.#nameless.delete(seq)) return;
    }
    // An empty Error means success on this wire.
    const text = message === "" ? code : cutMessage(message);
    const header = headerOf(seq, serviceMethod, text, code);
    this.#write(out, header, {}, emptyStruct, undefined, "error");
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
    declared: GobType | undefined,
    hint: GobType | undefined,
    root: string,
  ): void {
    const type =
      declared ??
      this.#inference(header.ServiceMethod).typeOf(body, hint, root);
    const { length } = out;
    try {
      this.#encoder.encode(out, header, this.#headerType);
      this.#encoder.encode(out, body, type, root);
    } catch (thrown) {
      out.truncate(length);
      // The header's definition was taken back with it; nothing else was defined yet.
      if (!this.#hasDefinedHeader) this.#encoder = this.#newEncoder();
      throw RpcError.from(thrown);
    }
    this.#hasDefinedHeader = true;
  }

  #newEncoder(): GobEncoder {
    return new GobEncoder(this.#streamOptions());
  }

  #streamOptions(): GobDecoderOptions {
    const { limits, gobRegistry: registry } = this.#context;
    return { limits, ...(registry && { registry }) };
  }

  #declared(serviceMethod: string): DeclaredTypes | undefined {
    return this.#context.declaredTypes?.(serviceMethod);
  }

  #inference(serviceMethod: string): Inference {
    let inference = this.#inferenceOf.get(serviceMethod);
    if (inference === undefined) {
      inference = new Inference({
        numbers: this.#inferences.of(serviceMethod),
        onAmbiguous: (ambiguity) =>
          this.#context.onAmbiguousType?.({ serviceMethod, ...ambiguity }),
      });
      remember(this.#inferenceOf, serviceMethod, inference);
    }
    return inference;
  }
}

function nameAndSeq() {
  return { ServiceMethod: gob.string, Seq: gob.uint };
}

function struct(name: string, fields: Record<string, GobType>): GobType {
  return gob.struct(fields, name);
}

/** @throws RpcError internal  no header where one must be: the stream is out of step */
function readHeader(value: unknown): Header {
  const {
    ServiceMethod,
    Seq,
    Error = "",
    Code = "",
  } = (value ?? {}) as Record<string, unknown>;
  if (
    typeof ServiceMethod === "string" &&
    typeof Error === "string" &&
    Number.isSafeInteger(Seq) &&
    (Seq as number) >= 0
  ) {
    return {
      ServiceMethod,
      Seq: Seq as number,
      Error,
      Code: typeof Code === "string" ? Code : "",
    };
  }
  throw new RpcError("internal", "a gob value is no header");
}

/** A header to write; without an error it begins a request or a reply. */
function headerOf(
  seq: number,
  serviceMethod: string,
  error = "",
  code = "",
): Header {
  return { ServiceMethod: serviceMethod, Seq: seq, Error: error, Code: code };
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

function broken(cause: RpcError): RpcError {
  return new RpcError("internal", `a header cannot be read: ${cause.message}`, {
    cause,
  });
}

function undecodable(cause: RpcError): RpcError {
  return new RpcError(
    "internal",
    `the reply cannot be decoded: ${cause.message}`,
    { cause },
  );
}

function lacking(what: string): RpcError {
  return new RpcError(
    "unimplemented",
    `gob connections have no ${what}; the binary codec does`,
  );
}
