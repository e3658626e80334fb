import { createCodec } from "../codec/table.ts";
import { defaultLimits } from "../wire/limits.ts";
import { SendBuffer } from "../wire/send-buffer.ts";

/** Bytes on the wire of one request and of its response. */
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
    while (caller.heldBytes > 0) caller.writePiece(out);
    sizes.request = out.length;
    out.clear();
    server.writeResponse(out, seq, serviceMethod, reply);
    while (server.heldBytes > 0) server.writePiece(out);
    sizes.response = out.length;
    out.clear();
  }
  return sizes;
}
