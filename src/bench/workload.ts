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
  /** Bytes of content each way, where bytes are what counts. */
  readonly contentBytes?: number;
}

const sumMethod = "Foo.Sum";
const echoMethod = "Foo.Echo";

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

/** An object of about 1 KB as JSON, as services send each other: nested, with numbers, texts, a list and a null. */
interface Order {
  id: number;
  customer: { id: number; name: string; address: Record<string, string> };
  lines: { sku: string; count: number; cents: number; tags: string[] }[];
  note: null;
  total: { cents: number; currency: string };
}

function orderOf(id: number): Order {
  const lines = Array.from({ length: 11 }, (_, at) => ({
    sku: `SKU-${id + at}`,
    count: at + 1,
    cents: 1_999 + at * 100,
    tags: ["fragile", "gift", `box-${at}`],
  }));
  return {
    id,
    customer: {
      id: id * 7,
      name: "Grete Hermann",
      address: {
        street: "Unter den Linden 77",
        city: "Berlin",
        postcode: "10117",
        country: "DE",
      },
    },
    lines,
    note: null,
    total: { cents: 40_000 + id, currency: "EUR" },
  };
}

/** Different arguments that go round: an answer that went to another call shows. */
const orderCount = 64;
/** Comparing a whole reply costs as much as decoding it: one of so many is, of the others both ends. */
const callsPerComparison = 64;

/** `Foo.Echo` of a nested object of 1 KB. */
export function echoedOrders(): Workload {
  const orders = Array.from({ length: orderCount }, (_, at) =>
    orderOf(1_000 + at),
  );
  const orderAt = (call: number) => orders[call % orderCount] as Order;
  return {
    method: echoMethod,
    argsOf: orderAt,
    isRight(call, reply) {
      const expected = orderAt(call);
      // Not a multiple of the orders' number: each has its turn.
      if (call % (callsPerComparison + 1) === 0) {
        return Bun.deepEquals(reply, expected, true);
      }
      const { id, total } = (reply ?? {}) as Partial<Order>;
      return id === expected.id && total?.cents === expected.total.cents;
    },
  };
}

/** Few enough to stay in a core's cache where they are small. */
const blockCount = 4;

/** `Foo.Echo` of so many bytes. Of a reply its length and both its ends are looked at. */
export function echoedBytes(length: number): Workload {
  const blocks = Array.from({ length: blockCount }, (_, at) =>
    new Uint8Array(length).fill(at),
  );
  return {
    method: echoMethod,
    argsOf: (call) => blocks[call % blockCount],
    isRight: (call, reply) =>
      reply instanceof Uint8Array &&
      reply.length === length &&
      reply[0] === call % blockCount &&
      reply[length - 1] === call % blockCount,
    contentBytes: length,
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
