import { RpcError } from "../../errors.ts";
import { maxNameBytes } from "../../wire/frame.ts";

/** The caller's side: which names have gone over this connection already. */
export class SentNames {
  readonly #maxNumbers: number;
  readonly #numbers = new Map<string, number>();

  constructor(maxNumbers: number) {
    this.#maxNumbers = maxNumbers;
  }

  /** The name's number, or undefined where the name has to be sent. */
  numberOf(serviceMethod: string): number | undefined {
    return this.#numbers.get(serviceMethod);
  }

  /** The number that a name gets with the frame that is written next; 0 once the table is full. */
  assign(serviceMethod: string): number {
    if (this.#numbers.size >= this.#maxNumbers) return 0;
    const number = this.#numbers.size + 1;
    this.#numbers.set(serviceMethod, number);
    return number;
  }
}

/** The receiver's side: names by the number that the caller gave them. */
export class ReceivedNames {
  readonly #maxNumbers: number;
  readonly #names: (string | undefined)[] = [];

  constructor(maxNumbers: number) {
    this.#maxNumbers = maxNumbers;
  }

  nameOf(number: number): string | undefined {
    return this.#names[number];
  }

  /**
   * @throws RpcError resource_exhausted  a number past the limit
   * @throws RpcError invalid_argument    a number that has another name
   */
  define(number: number, serviceMethod: string): void {
    if (number === 0) return;
    if (number > this.#maxNumbers) {
      throw new RpcError(
        "resource_exhausted",
        `method number ${number} is over the limit of ${this.#maxNumbers}`,
      );
    }
    const known = this.#names[number];
    if (known !== undefined && known !== serviceMethod) {
      throw new RpcError(
        "invalid_argument",
        `method number ${number} has a name already`,
      );
    }
    this.#names[number] = serviceMethod;
  }
}

/**
 * The UTF-8 of a name that is sent for the first time.
 *
 * @throws RpcError invalid_argument  too long
 */
export function encodeName(serviceMethod: string): Uint8Array {
  const bytes = Buffer.from(serviceMethod);
  if (bytes.length <= maxNameBytes) return bytes;
  throw longName(bytes.length);
}

/** A name over maxNameBytes, on its way out or in: a connection may number a thousand of them. */
export function longName(bytes: number): RpcError {
  return new RpcError(
    "invalid_argument",
    `a serviceMethod of ${bytes} bytes is over the limit of ${maxNameBytes}`,
  );
}
