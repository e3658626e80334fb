import { type Code, codes, isCode, RpcError } from "../errors.ts";
import type { Context } from "../service/context.ts";

interface Numbers {
  Num1: number;
  Num2: number;
}

/**
 * What `geerpc server` serves without a file: the original's Foo, and what a
 * caller needs to see how calls go, and fail.
 */
export class Foo {
  readonly #address: () => string;

  /** @param address where the server listens, once it does */
  constructor(address: () => string) {
    this.#address = address;
  }

  Sum(args: Numbers): number {
    const { Num1, Num2 } = numbers(args);
    return Num1 + Num2;
  }

  /** Waits Num1 seconds, or until nobody waits for it, and answers the sum. */
  async Sleep(args: Numbers, { signal }: Context): Promise<number> {
    const { Num1, Num2 } = numbers(args);
    if (!(Num1 >= 0 && Num1 <= 86_400)) {
      throw new RpcError(
        "out_of_range",
        "Num1 is a number of seconds up to 86400",
      );
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Num1 * 1_000);
      const onAbort = () => {
        clearTimeout(timer);
        resolve();
      };
      if (signal.aborted) onAbort();
      else signal.addEventListener("abort", onAbort, { once: true });
    });
    return Num1 + Num2;
  }

  /** Answers what it was asked. */
  Echo(args: unknown): unknown {
    return args;
  }

  /** Fails with the code and the message that it is given. */
  Fail(args?: { code?: Code; message?: string }): never {
    const { code = "unknown", message = "it was asked to fail" } = args ?? {};
    if (!isCode(code)) {
      throw new RpcError("invalid_argument", `a code is ${codes.join(" or ")}`);
    }
    throw new RpcError(code, String(message));
  }

  /** Which server this is. */
  Whoami(): { address: string; pid: number } {
    return { address: this.#address(), pid: process.pid };
  }
}

function numbers(args: unknown): Numbers {
  const { Num1, Num2 } = (args ?? {}) as Partial<Record<string, unknown>>;
  if (typeof Num1 === "number" && typeof Num2 === "number") {
    return { Num1, Num2 };
  }
  throw new RpcError(
    "invalid_argument",
    'two numbers are needed, as in {"Num1":1,"Num2":2}',
  );
}
