import { parseAddress } from "../../src/transport/address.ts";
import { dialPipe } from "../../src/transport/dial.ts";

/** Sends `bytes` to the server at `address`, and waits until it has ended the connection. */
export async function visit(address: string, bytes: Uint8Array): Promise<void> {
  const pipe = await dialPipe(parseAddress(address), { timeoutMs: 5_000 });
  const { promise, resolve } = Promise.withResolvers<void>();
  let at = 0;
  const send = () => {
    at += pipe.write(bytes.subarray(at));
    if (at === bytes.length) pipe.shutdown();
  };
  pipe.attach({
    data() {},
    drain: send,
    end: () => pipe.shutdown(),
    close: () => resolve(),
  });
  send();
  await promise;
}
