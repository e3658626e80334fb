import { Client, connect, Server } from "../../../src/index.ts";
import type { Numbers } from "./load.ts";
import type { Order } from "./order.ts";
import { play } from "./play.ts";

class Foo {
  Sum({ Num1, Num2 }: Numbers): number {
    return Num1 + Num2;
  }

  Echo(order: Order): Order {
    return order;
  }
}

await play({
  async serve() {
    const server = new Server();
    server.register(new Foo());
    return server.listen();
  },
  async dial(address, how) {
    const client =
      how === "xclient"
        ? await connect<{ Foo: Foo }>(address)
        : (await Client.dial(address)).as<{ Foo: Foo }>();
    return {
      sum: (args) => client.Foo.Sum(args),
      echo: (order) => client.Foo.Echo(order),
    };
  },
});
