import { RpcError } from "../errors.ts";
import { checkMetadata, type Metadata } from "../wire/metadata.ts";
import type { Kind } from "./kinds.ts";
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
    const entries = new Map<string, string | Uint8Array>();
    for (const line of text.split("\n").filter(Boolean)) {
      const equals = line.indexOf("=");
      if (equals < 0) throw new UsageError("write key=value");
      const key = line.slice(0, equals);
      if (entries.has(key)) {
        throw new UsageError(`${key} is given twice: write it once`);
      }
      entries.set(key, valueOf(key, line.slice(equals + 1)));
    }
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
