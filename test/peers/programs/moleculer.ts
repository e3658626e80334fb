import { ServiceBroker } from "moleculer";
import type { Numbers } from "./load.ts";
import type { Order } from "./order.ts";
import { play } from "./play.ts";

const serverId = "server";

function broker(nodeID: string, options: object): ServiceBroker {
  return new ServiceBroker({
    nodeID,
    logger: false,
    transporter: { type: "TCP", options: { udpDiscovery: false, ...options } },
  });
}

await play({
  async serve() {
    const node = broker(serverId, {});
    node.createService({
      name: "Foo",
      actions: {
        Sum: ({ params }: { params: Numbers }) => params.Num1 + params.Num2,
        Echo: ({ params }: { params: Order }) => params,
      },
    });
    await node.start();
    return `127.0.0.1:${node.getLocalNodeInfo().port}`;
  },
  async dial(address) {
    const node = broker("client", { urls: [`${address}/${serverId}`] });
    await node.start();
    await node.waitForServices("Foo");
    return {
      sum: (args) => node.call<number, Numbers>("Foo.Sum", args),
      echo: (order) => node.call<Order, Order>("Foo.Echo", order),
    };
  },
});
