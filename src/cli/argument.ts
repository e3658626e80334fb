import { escapeText } from "./escape.ts";
import type { Io } from "./io.ts";
import { StdinItems } from "./stdin-items.ts";
import { UsageError } from "./usage-error.ts";

/**
 * The argument of a call: JSON as it was written, `-` for all of stdin, or
 * undefined where there is none.
 *
 * @throws UsageError no JSON
 */
export async function readArgument(
  json: string | undefined,
  io: Io,
): Promise<unknown> {
  if (json === undefined) return undefined;
  const text = json === "-" ? await io.readStdin() : json;
  try {
    return JSON.parse(text);
  } catch (thrown) {
    const { message } = thrown as Error;
    throw new UsageError(
      `the argument is no JSON (${escapeText(message)}): write it as in '{"a":1}'`,
    );
  }
}

/**
 * The argument of a call that is a stream: the lines of stdin.
 *
 * @throws UsageError something else was written
 */
export function streamArgument(json: string | undefined, io: Io): StdinItems {
  if (json === undefined || json === "-") {
    return new StdinItems(io.stdinChunks());
  }
  throw new UsageError(
    `--items are the lines of stdin: leave ${escapeText(json)} out`,
  );
}
