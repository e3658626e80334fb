/** The command was written wrongly: exit code 2, and one line that says what to write instead. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
