import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { createTRPCClient, createWSClient, wsLink } from "@trpc/client";
import { initTRPC } from "@trpc/server";
import { applyWSSHandler } from "@trpc/server/adapters/ws";
import { WebSocketServer } from "ws";
import type { Numbers } from "./load.ts";
import type { Order } from "./order.ts";
import { play } from "./play.ts";

const { router, procedure } = initTRPC.create();

// Types alone, as with geerpc: a schema would check what no other peer checks.
const foo = router({
  sum: procedure
    .input((args) => args as Numbers)
    .query(({ input: { Num1, Num2 } }) => Num1 + Num2),
  echo: procedure.input((order) => order as Order).query(({ input }) => input),
});

await play({
  async serve() {
    const wss = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    applyWSSHandler({ wss, router: foo });
    if (wss.address() === null) await once(wss, "listening");
    return `ws://127.0.0.1:${(wss.address() as AddressInfo).port}`;
  },
  async dial(address) {
    const ws = createWSClient({ url: address });
    const client = createTRPCClient<typeof foo>({
      links: [wsLink({ client: ws })],
    });
    return {
      sum: (args) => client.sum.query(args),
      echo: (order) => client.echo.query(order),
    };
  },
});
