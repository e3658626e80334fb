import { connect } from "@nats-io/transport-node";
import type { Numbers } from "./load.ts";
import type { Order } from "./order.ts";
import { play } from "./play.ts";

// Requests go through a broker, whose address both ends are given.
await play({
  async serve(broker) {
    const connection = await connect({ servers: broker });
    connection.subscribe("Foo.Sum", {
      callback(_error, message) {
        const { Num1, Num2 } = message.json<Numbers>();
        message.respond(JSON.stringify(Num1 + Num2));
      },
    });
    connection.subscribe("Foo.Echo", {
      callback(_error, message) {
        message.respond(JSON.stringify(message.json<Order>()));
      },
    });
    await connection.flush();
    return broker;
  },
  async dial(broker) {
    const connection = await connect({ servers: broker });
    const call = async <T>(subject: string, args: unknown): Promise<T> => {
      const reply = await connection.request(subject, JSON.stringify(args));
      return reply.json<T>();
    };
    return {
      sum: (args) => call("Foo.Sum", args),
      echo: (order) => call("Foo.Echo", order),
    };
  },
});
