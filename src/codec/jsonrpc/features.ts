import { RpcError } from "../../errors.ts";
import type { CodecFeatures } from "../codec.ts";

export const features: CodecFeatures = {
  settings: false,
  cancel: false,
  oneWay: true,
};

export function lacking(what: string): RpcError {
  return new RpcError(
    "unimplemented",
    `JSON-RPC has no ${what}; the binary codec does`,
  );
}
