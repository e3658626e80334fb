import type { GobType } from "../codec/gob/gob-type.ts";
import { parseGobType } from "../codec/gob/parse-gob-type.ts";
import type { Kind } from "./kinds.ts";
import { UsageError } from "./usage-error.ts";

/** A Go type in a few words: `Num1:int,Avg:float64`. */
export const gobType: Kind<GobType> = {
  hint: "type",
  parse(text) {
    try {
      return parseGobType(text);
    } catch (thrown) {
      const { message } = thrown as Error;
      throw new UsageError(
        `write it as in 'Num1:int,Avg:float64' (${message})`,
      );
    }
  },
};
