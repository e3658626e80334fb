import type { Codec, CodecContext } from "../codec.ts";
import { AcceptingCodec } from "./accepting-codec.ts";
import { DiallingCodec } from "./dialling-codec.ts";

/**
 * JSON-RPC over a connection without an Option: one JSON value after another,
 * with any white space between them, or none.
 *
 * The dialling end speaks 1.0, which Go's net/rpc/jsonrpc knows, and reads
 * answers of both versions. The accepting end answers each request in its own
 * version; the requests of a batch get one array of answers. Requests go from
 * the dialling end to the accepting one only. Values that JSON would change
 * are refused, but for a lone undefined.
 * Sources: jsonrpc.org/specification_v1, jsonrpc.org/specification,
 * net/rpc/jsonrpc of Go 1.26.
 */
export function jsonRpcCodec(context: CodecContext): Codec {
  return context.role === "accept"
    ? new AcceptingCodec(context.limits)
    : new DiallingCodec(context.limits);
}
