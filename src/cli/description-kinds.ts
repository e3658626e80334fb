import { RpcError } from "../errors.ts";
import { readDescription } from "../registry/description.ts";
import { type Kind, parseKeyValues } from "./kinds.ts";
import { UsageError } from "./usage-error.ts";

// What a server says of itself when it registers, as flags.

/** A zone or a version: 1 to 64 printable characters. */
export function word(key: "zone" | "version"): Kind<string> {
  return {
    hint: "name",
    parse(text) {
      check({ [key]: text });
      return text;
    },
  };
}

/** What a server can take beside the others: above 0, at most 1,000. */
export const weight: Kind<number> = {
  hint: "number",
  parse(text) {
    const value = /^(\d+|\d*\.\d+)$/.test(text) ? Number(text) : NaN;
    if (value > 0 && value <= 1_000) return value;
    throw new UsageError(
      "write a number above 0, at most 1000, as in 2 or 0.5",
    );
  },
};

/** Labels: `key=value`, one a line where there are several at once, since a value may hold commas. */
export const labels: Kind<Readonly<Record<string, string>>> = {
  hint: "key=value",
  isList: true,
  separator: "\n",
  parse(text) {
    const labels = Object.fromEntries(parseKeyValues(text));
    check({ labels });
    return labels;
  },
};

/** @throws UsageError  the registry would not take it */
function check(said: object): void {
  try {
    readDescription(JSON.stringify(said));
  } catch (thrown) {
    throw new UsageError(RpcError.from(thrown).message);
  }
}
