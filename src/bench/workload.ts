/**
 * What is called, and how a reply is known to be right. Calls are numbered
 * from 0; both functions are pure in that number but for `repeated`, which
 * remembers its first reply.
 */
export interface Workload {
  /** `Service.Method`. */
  readonly method: string;
  argsOf(call: number): unknown;
  /** Whether `reply` is the answer to this call. */
  isRight(call: number, reply: unknown): boolean;
}

const sumMethod = "Foo.Sum";

/**
 * `Foo.Sum` with arguments that vary, so that an answer that went to another
 * call shows. Both always have four digits and so has their sum: every frame
 * has the same size.
 */
export function varyingSums(): Workload {
  const left = (call: number) => 1000 + (call % 1000);
  const right = (call: number) => 1000 + (Math.floor(call / 1000) % 1000);
  return {
    method: sumMethod,
    argsOf: (call) => ({ Num1: left(call), Num2: right(call) }),
    isRight: (call, reply) => reply === left(call) + right(call),
  };
}

/**
 * Any method with the same argument each time. The first reply is taken for
 * the right one, and every other must equal it, deeply and with the same
 * types: a method whose answers differ by nature (a clock, a counter) counts
 * as wrong.
 */
export function repeated(method: string, args: unknown): Workload {
  let hasFirst = false;
  let first: unknown;
  return {
    method,
    argsOf: () => args,
    isRight(_call, reply) {
      if (!hasFirst) {
        hasFirst = true;
        first = reply;
      }
      return Object.is(reply, first) || Bun.deepEquals(reply, first, true);
    },
  };
}

/** The workload of a command line: `Foo.Sum` without arguments varies them. */
export function workloadOf(
  method = sumMethod,
  args?: { value: unknown },
): Workload {
  return args === undefined && method === sumMethod
    ? varyingSums()
    : repeated(method, args?.value);
}
