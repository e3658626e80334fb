import { fileURLToPath } from "node:url";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import type { Order } from "./order.ts";
import { play } from "./play.ts";

interface SumRequest {
  num1: number;
  num2: number;
}

interface SumResponse {
  sum: number;
}

type Call<Request, Response> = (
  request: Request,
  callback: grpc.requestCallback<Response>,
) => grpc.ClientUnaryCall;

interface FooClient extends grpc.Client {
  sum: Call<SumRequest, SumResponse>;
  echo: Call<Order, Order>;
}

const proto = fileURLToPath(new URL("foo.proto", import.meta.url));
const { peers } = grpc.loadPackageDefinition(
  loadSync(proto, { defaults: true }),
);
const { Foo } = peers as unknown as {
  Foo: grpc.ServiceClientConstructor;
};

await play({
  async serve() {
    const server = new grpc.Server();
    server.addService(Foo.service, {
      sum: (
        { request }: grpc.ServerUnaryCall<SumRequest, SumResponse>,
        callback: grpc.sendUnaryData<SumResponse>,
      ) => callback(null, { sum: request.num1 + request.num2 }),
      echo: (
        { request }: grpc.ServerUnaryCall<Order, Order>,
        callback: grpc.sendUnaryData<Order>,
      ) => callback(null, request),
    });
    const credentials = grpc.ServerCredentials.createInsecure();
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync("127.0.0.1:0", credentials, (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    return `127.0.0.1:${port}`;
  },
  async dial(address) {
    const credentials = grpc.credentials.createInsecure();
    const client = new Foo(address, credentials) as unknown as FooClient;
    return {
      sum: ({ Num1, Num2 }) =>
        new Promise((resolve, reject) =>
          client.sum({ num1: Num1, num2: Num2 }, (error, response) =>
            error === null ? resolve(response!.sum) : reject(error),
          ),
        ),
      echo: (order) =>
        new Promise((resolve, reject) =>
          client.echo(order, (error, response) =>
            error === null ? resolve(response!) : reject(error),
          ),
        ),
    };
  },
});
