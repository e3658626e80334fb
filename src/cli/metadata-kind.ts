import { RpcError } from "../errors.ts";
import { checkMetadata, type Metadata } from "../wire/metadata.ts";
import { type Kind, parseKeyValues } from "./kinds.ts";
import { UsageError } from "./usage-error.ts";

/**
 * A call's metadata: `key=value`, one a line where there are several at once,
 * since a value may hold commas. The value of a key that ends with `-bin` is
 * bytes, written in base64.
 */
export const metadata: Kind<Metadata> = {
  hint: "key=value",
  isList: true,
  separator: "\n",
  parse(text) {
    const entries = new Map(
      [...parseKeyValues(text)].map(([key, value]) => [
        key,
        valueOf(key, value),
      ]),
    );
    try {
      return checkMetadata(entries) ?? entries;
    } catch (thrown) {
      throw new UsageError(RpcError.from(thrown).message);
    }
  },
};

function valueOf(key: string, text: string): string | Uint8Array {
  if (!key.endsWith("-bin")) return text;
  try {
    return Uint8Array.fromBase64(text);
  } catch {
    throw new UsageError(`write the value of ${key} in base64, as in AQL/`);
  }
}
