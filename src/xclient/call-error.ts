import { type Code, RpcError, type RpcErrorOptions } from "../errors.ts";

/** One server that a call was tried with, and why that did not do. */
export interface Attempt {
  readonly address: string;
  readonly code: Code;
}

/**
 * How a call of an XClient fails that has tried at least one server: code,
 * message and details of its last attempt. `sent` is of all attempts together:
 * false where none of them can have run, true where one may have.
 */
export class CallError extends RpcError {
  /** All of them, in order, those of a hedge last: also those whose server could not be dialled. */
  readonly attempts: readonly Attempt[];

  constructor(
    code: Code,
    message: string,
    options: RpcErrorOptions,
    attempts: readonly Attempt[],
  ) {
    super(code, message, options);
    this.attempts = attempts;
  }

  /** `error` as the end of a call with these attempts. */
  static of(
    error: RpcError,
    sent: boolean,
    attempts: readonly Attempt[],
  ): CallError {
    const { code, message, details, cause } = error;
    const options: RpcErrorOptions = { details, sent };
    if (cause !== undefined) options.cause = cause;
    return new CallError(code, message, options, attempts);
  }
}
