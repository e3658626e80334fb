import {
  newBunWebSocketRpcHandler,
  newWebSocketRpcSession,
  RpcTarget,
} from "capnweb";
import type { Numbers } from "./load.ts";
import type { Order } from "./order.ts";
import { play } from "./play.ts";

class Foo extends RpcTarget {
  sum({ Num1, Num2 }: Numbers): number {
    return Num1 + Num2;
  }

  echo(order: Order): Order {
    return order;
  }
}

await play({
  async serve() {
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch(request, server) {
        if (server.upgrade(request, { data: undefined })) return undefined;
        return new Response(null, { status: 426 });
      },
      // Its types are those of an older Bun.
      websocket: newBunWebSocketRpcHandler(
        () => new Foo(),
      ) as unknown as Bun.WebSocketHandler<undefined>,
    });
    return `ws://127.0.0.1:${server.port}`;
  },
  async dial(address) {
    const foo = newWebSocketRpcSession<Foo>(address);
    return {
      sum: (args) => foo.sum(args),
      echo: (order) => foo.echo(order),
    };
  },
});
