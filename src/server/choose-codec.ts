import type { Codec, CodecContext } from "../codec/codec.ts";
import { binaryCodecType, createCodec, hasCodec } from "../codec/table.ts";
import { RpcError } from "../errors.ts";
import { type ParsedOption, protocolVersion } from "../wire/option.ts";

export interface ChosenCodec {
  /** Undefined where there is none that the peer would understand. */
  codec: Codec | undefined;
  /** Why the peer is refused, if it is: in `codec`'s own error, or by one line. */
  refusal: RpcError | undefined;
}

/** The codec that an Option asks for, also for telling its peer what was wrong with it. */
export function chooseCodec(
  { option: { CodecType, Bodies = [], Protocol }, error: flaw }: ParsedOption,
  context: Omit<CodecContext, "bodies" | "isGeerpcPeer">,
): ChosenCodec {
  const error = flaw ?? refuseVersion(CodecType, Protocol);
  if (!hasCodec(CodecType) && error !== undefined) {
    return { codec: undefined, refusal: error };
  }
  try {
    const bodies = error === undefined ? Bodies : [];
    const isGeerpcPeer = Protocol !== undefined;
    const codec = createCodec(CodecType, { ...context, bodies, isGeerpcPeer });
    return { codec, refusal: error };
  } catch (thrown) {
    const refusal = RpcError.from(thrown, "internal");
    // Without bodies of its own the codec can still say what is wrong.
    return hasCodec(CodecType) && Bodies.length > 0
      ? chooseCodec(
          { option: withoutBodies(CodecType), error: refusal },
          context,
        )
      : { codec: undefined, refusal };
  }
}

/** The other codecs have no versions: there the key only tells that geerpc asks. */
function refuseVersion(
  codecType: string,
  protocol = protocolVersion,
): RpcError | undefined {
  if (codecType !== binaryCodecType || protocol === protocolVersion) {
    return undefined;
  }
  return new RpcError(
    "unimplemented",
    `version ${protocol} of the protocol is not spoken here, only ${protocolVersion}`,
    { sent: false },
  );
}

function withoutBodies(CodecType: string): ParsedOption["option"] {
  return { MagicNumber: 0, CodecType, ConnectTimeout: 0, HandleTimeout: 0 };
}
