import { once } from "node:events";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import {
  createFileRegistry,
  fromBinary,
  type Message,
} from "@bufbuild/protobuf";
import type { GenMessage, GenService } from "@bufbuild/protobuf/codegenv2";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import {
  connectNodeAdapter,
  createConnectTransport,
} from "@connectrpc/connect-node";
import { loadSync, type MessageTypeDefinition } from "@grpc/proto-loader";
import type { Order } from "./order.ts";
import { play } from "./play.ts";

interface SumRequest {
  num1: number;
  num2: number;
}

interface SumResponse {
  sum: number;
}

/** The types that generated code would have. */
type FooService = GenService<{
  sum: {
    methodKind: "unary";
    input: GenMessage<Message<"peers.SumRequest"> & SumRequest>;
    output: GenMessage<Message<"peers.SumResponse"> & SumResponse>;
  };
  echo: {
    methodKind: "unary";
    input: GenMessage<Message<"peers.Order"> & Order>;
    output: GenMessage<Message<"peers.Order"> & Order>;
  };
}>;

const Foo = loadFoo();

await play({
  async serve() {
    const handler = connectNodeAdapter({
      routes: (router) =>
        router.service(Foo, {
          sum: ({ num1, num2 }) => ({ sum: num1 + num2 }),
          echo: (order) => order,
        }),
    });
    const server = createServer(handler).listen(0, "127.0.0.1");
    await once(server, "listening");
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  },
  async dial(address) {
    const transport = createConnectTransport({
      baseUrl: address,
      httpVersion: "2",
    });
    const client = createClient(Foo, transport);
    return {
      async sum({ Num1, Num2 }) {
        return (await client.sum({ num1: Num1, num2: Num2 })).sum;
      },
      echo: (order) => client.echo(order),
    };
  },
});

/**
 * The service as foo.proto describes it: what the generated code that is usual
 * here makes of the same descriptor when it is loaded.
 */
function loadFoo(): FooService {
  const proto = fileURLToPath(new URL("foo.proto", import.meta.url));
  const { fileDescriptorProtos } = loadSync(proto)[
    "peers.Order"
  ] as MessageTypeDefinition<unknown, unknown>;
  const [bytes] = fileDescriptorProtos as [Buffer];
  const file = fromBinary(FileDescriptorProtoSchema, bytes);
  // The loader names types relatively, the registry wants them in full.
  const inFull = (name: string) => name && `.peers.${name.split(".").at(-1)}`;
  for (const field of file.messageType.flatMap((message) => message.field)) {
    field.typeName = inFull(field.typeName);
  }
  for (const method of file.service.flatMap((service) => service.method)) {
    method.inputType = inFull(method.inputType);
    method.outputType = inFull(method.outputType);
  }
  const registry = createFileRegistry(file, () => undefined);
  return registry.getService("peers.Foo") as FooService;
}
