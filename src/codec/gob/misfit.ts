import { RpcError, type Code } from "../../errors.ts";

/**
 * A value that cannot be encoded, on its way out of the value: each container
 * that it leaves adds its step, so that the path costs nothing until it is
 * needed. `toRpcError` is what callers see.
 */
export class Misfit extends Error {
  readonly code: Code;
  /** Innermost first. */
  readonly #steps: string[] = [];

  /** @param reason follows the path: "is a string, not an int" */
  constructor(
    reason: string,
    code: Code = "invalid_argument",
    options?: ErrorOptions,
  ) {
    super(reason, options);
    this.code = code;
  }

  /** Whatever was thrown (a getter may throw anything) as a Misfit one step further out. */
  static under(step: string, thrown: unknown): Misfit {
    const misfit = Misfit.#from(thrown);
    misfit.#steps.push(step);
    return misfit;
  }

  /** The error for the caller; `root` names the whole value, such as `args`. */
  static toRpcError(thrown: unknown, root: string): RpcError {
    if (thrown instanceof RpcError) return thrown;
    const misfit = Misfit.#from(thrown);
    const path = root + misfit.#steps.reverse().join("");
    return new RpcError(misfit.code, `${path} ${misfit.message}`, {
      cause: misfit.cause,
    });
  }

  static #from(thrown: unknown): Misfit {
    if (thrown instanceof Misfit) return thrown;
    const { code, message } = RpcError.from(thrown, "invalid_argument");
    return new Misfit(`cannot be read: ${message}`, code, { cause: thrown });
  }
}

/** Why a struct with the key "" is none of Go's; in a map it is a key like others. */
export const namelessField =
  "has a field without a name, and no struct of Go has";

/** What a value is, for the sentence "is a …, not …". */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "number") {
    return Number.isInteger(value) ? `the number ${value}` : "a fraction";
  }
  if (typeof value !== "object") return `a ${typeof value}`;
  const name: unknown = Object.getPrototypeOf(value)?.constructor?.name;
  return typeof name === "string" && name !== "" && name !== "Object"
    ? `a value of class ${name}`
    : "an object";
}

/** The step from a struct to its field. */
export function fieldStep(name: string): string {
  return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(name)
    ? `.${name}`
    : `[${JSON.stringify(name)}]`;
}

/** The step from a map to the element of `key`. */
export function keyStep(key: unknown): string {
  return typeof key === "string"
    ? `[${JSON.stringify(key)}]`
    : `[${String(key)}]`;
}
