import { isAsyncIterable } from "../base/async-values.ts";
import { type Code, codes, isCode, RpcError } from "../errors.ts";
import type { Context } from "../service/context.ts";

interface Numbers {
  Num1: number;
  Num2: number;
}

interface Counting {
  /** 1 if it is not said. */
  from?: number;
  /** For ever if it is not said. */
  to?: number;
  /** Between two numbers; 0 if it is not said. */
  everyMs?: number;
}

/** The longest wait; timers hold no more than 24.8 days. */
const maxWaitMs = 86_400_000;

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
    if (!(Num1 >= 0 && Num1 * 1_000 <= maxWaitMs)) {
      throw new RpcError(
        "out_of_range",
        "Num1 is a number of seconds up to 86400",
      );
    }
    await wait(Num1 * 1_000, signal);
    return Num1 + Num2;
  }

  /** Counts up to a number; from another one, at an interval or for ever where that is said. */
  async *Count(
    args: number | Counting | undefined,
    { signal }: Context,
  ): AsyncGenerator<number, void> {
    const { from, to, everyMs } = counting(args);
    for (let n = from; n <= to; n++) {
      if (n > from && everyMs > 0) await wait(everyMs, signal);
      if (signal.aborted) return;
      yield n;
    }
  }

  /** Adds up the numbers that it is sent. */
  async Total(items: AsyncIterable<number>): Promise<number> {
    let total = 0;
    for await (const item of numberItems(items)) total += item;
    return total;
  }

  /** Answers each number that it is sent with its double, as it comes. */
  async *Double(items: AsyncIterable<number>): AsyncGenerator<number, void> {
    for await (const item of numberItems(items)) yield 2 * item;
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

/** @throws RpcError invalid_argument */
function counting(args: unknown): Required<Counting> {
  const given = typeof args === "number" ? { to: args } : (args ?? {});
  const { from = 1, to = Infinity, everyMs = 0 } = given as Counting;
  const isRight =
    typeof given === "object" &&
    Number.isFinite(from) &&
    typeof to === "number" &&
    !Number.isNaN(to) &&
    everyMs >= 0 &&
    everyMs <= maxWaitMs;
  if (isRight) return { from, to, everyMs };
  throw new RpcError(
    "invalid_argument",
    'a number is needed, or as in {"from":1,"to":5,"everyMs":100}',
  );
}

/** @throws RpcError invalid_argument  no stream, or an item that is no number */
async function* numberItems(items: unknown): AsyncGenerator<number, void> {
  if (!isAsyncIterable(items)) {
    throw new RpcError(
      "invalid_argument",
      "a stream of numbers is needed: geerpc client sends one with --items",
    );
  }
  for await (const item of items) {
    if (typeof item !== "number") {
      throw new RpcError("invalid_argument", "an item is no number");
    }
    yield item;
  }
}

/** Resolves when the time is over, or at once when nobody waits for it any more. */
function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise<void>((resolve) => {
    const over = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    if (signal.aborted) over();
    else signal.addEventListener("abort", over);
  });
}
