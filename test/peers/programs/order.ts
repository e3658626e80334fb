export interface Order {
  id: number;
  customer: {
    name: string;
    email: string;
    address: { street: string; city: string; postcode: string };
  };
  lines: OrderLine[];
  note: string;
  paid: boolean;
  total: number;
}

export interface OrderLine {
  sku: string;
  title: string;
  quantity: number;
  price: number;
  tags: string[];
}

/** How many orders are made in advance: making one would be a part of what is measured. */
const orderCount = 256;
/** One reply in so many is looked at as a whole, the others at both their ends. */
const wholeEvery = 64;

const titles = [
  "Notebook, ruled, A5",
  "Fountain pen, medium nib",
  "Ink, blue-black, 50 ml",
  "Pencil case, canvas",
  "Envelopes, C6, pack of 50",
  "Desk lamp, brass",
];

/** 1,024 bytes as JSON, nested three deep; an order of a call differs from it in its number and its total. */
export const firstOrder: Order = {
  id: 1_000,
  customer: {
    name: "Grace Brewster Hopper",
    email: "grace.hopper@example.org",
    address: {
      street: "120 Harbour Road",
      city: "Newport",
      postcode: "NP20 1AB",
    },
  },
  lines: titles.map((title, line) => ({
    sku: `SKU-4711-${line}`,
    title,
    quantity: 1 + line,
    price: 10.25 + line,
    tags: ["stationery", "in stock", "gift wrap"],
  })),
  note: "Leave it with the neighbour at number 14 if nobody answers.",
  paid: true,
  total: 1_000.5,
};

const orders = Array.from({ length: orderCount }, (_, at) => ({
  ...firstOrder,
  id: firstOrder.id + at,
  total: firstOrder.total + at,
}));

export function orderOf(call: number): Order {
  return orders[call % orderCount] as Order;
}

/** Whether `reply` is that call's order: each time its number, its total and its last line, now and then all of it. */
export function isOrderOf(call: number, reply: Order): boolean {
  const order = orderOf(call);
  if (call % wholeEvery === 0) return covers(order, reply);
  return (
    reply.id === order.id &&
    reply.total === order.total &&
    reply.lines.length === order.lines.length &&
    reply.lines.at(-1)?.sku === order.lines.at(-1)?.sku
  );
}

/** Whether all that `expected` has is in `actual`: what a serializer adds to its messages does not count. */
function covers(expected: unknown, actual: unknown): boolean {
  if (typeof expected !== "object" || expected === null) {
    return Object.is(expected, actual);
  }
  return (
    typeof actual === "object" &&
    actual !== null &&
    Object.entries(expected).every(([key, value]) =>
      covers(value, (actual as Record<string, unknown>)[key]),
    )
  );
}
