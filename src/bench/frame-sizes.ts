import type { Codec } from "../codec/codec.ts";
import { createCodec } from "../codec/table.ts";
import { RpcError } from "../errors.ts";
import { defaultLimits } from "../wire/limits.ts";
import { SendBuffer } from "../wire/send-buffer.ts";

/** Bytes on the wire of one request and of its response, or of an item where it is a stream. */
export interface FrameSizes {
  request: number;
  response: number;
}

/** A codec tells the method's name and the types only the first time: later calls count. */
const rounds = 3;

/** The sizes that a call has on a connection where others went before it. */
export function frameSizes(
  codecType: string,
  serviceMethod: string,
  args: unknown,
  reply: unknown,
): FrameSizes {
  return sizesOf(codecType, serviceMethod, args, (server, out, seq) =>
    server.writeResponse(out, seq, serviceMethod, reply),
  );
}

/**
 * The sizes of a stream's request, which has no argument, and of an item.
 *
 * @throws RpcError unimplemented  the codec has no streams
 */
export function streamFrameSizes(
  codecType: string,
  serviceMethod: string,
  item: unknown,
): FrameSizes {
  return sizesOf(codecType, serviceMethod, undefined, (server, out, seq) => {
    if (server.session === undefined) {
      throw new RpcError("unimplemented", `${codecType} has no streams`);
    }
    server.session.writeItem(out, seq, true, item);
  });
}

function sizesOf(
  codecType: string,
  serviceMethod: string,
  args: unknown,
  answer: (server: Codec, out: SendBuffer, seq: number) => void,
): FrameSizes {
  const context = { limits: defaultLimits, bodies: [] };
  const caller = createCodec(codecType, { role: "dial", ...context });
  const server = createCodec(codecType, { role: "accept", ...context });
  const out = new SendBuffer();
  const sizes = { request: 0, response: 0 };
  for (let seq = 1; seq <= rounds; seq++) {
    const head = {
      seq,
      serviceMethod,
      timeoutMs: 5_000,
      sentAtMs: 0,
      oneWay: false,
    };
    caller.writeRequest(out, head, args);
    sizes.request = takeAll(caller, out);
    answer(server, out, seq);
    sizes.response = takeAll(server, out);
  }
  return sizes;
}

/** How many bytes there are to send, with the pieces that follow; they are gone then. */
function takeAll(codec: Codec, out: SendBuffer): number {
  while (codec.heldBytes > 0) codec.writePiece(out);
  const { length } = out;
  out.clear();
  return length;
}
