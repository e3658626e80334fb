import { seeded } from "../../src/base/random.ts";
import { Client } from "../../src/client/client.ts";
import { mib, report } from "./figures.ts";
import { rssBytes, startServer } from "./process.ts";
import { visit } from "./visit.ts";

const strangers: ((address: string, round: number) => Promise<void>)[] = [
  (address, round) => visit(address, randomBytes(round, 4096)),
  (address) => visit(address, Buffer.from("GET / HTTP/1.1\r\n\r\n")),
  (address) => visit(address, Buffer.from("16030100a5010000a1", "hex")),
  (address) => visit(address, Buffer.alloc(mib, '{"MagicNumber":"')),
  (address) => visit(address, frameOf4GiB()),
];

function randomBytes(seed: number, length: number): Uint8Array {
  const random = seeded(seed);
  return Uint8Array.from({ length }, () => random() * 256);
}

function frameOf4GiB(): Uint8Array {
  const option = `{"MagicNumber":3927900,"CodecType":"application/x-geerpc"}\n`;
  const frame = Buffer.alloc(16, 0xff);
  frame[0] = 2;
  return Buffer.concat([Buffer.from(option), frame]);
}

export async function badInput(): Promise<void> {
  await using server = startServer();
  const address = await server.listening();
  await using bystander = await Client.dial(address);
  const round = async (number: number) => {
    for (const stranger of strangers) await stranger(address, number);
    await bystander.call("Foo.Sum", { Num1: number, Num2: 1 });
  };
  for (let number = 0; number < 50; number++) await round(number);
  const before = await rssBytes(server.pid);
  for (let number = 50; number < 1_050; number++) await round(number);
  await Bun.sleep(30_000);
  const after = await rssBytes(server.pid);
  report(
    "memory 30 s after 1,000 rounds of bad input",
    (after - before) / mib,
    { atMost: 32 },
    "MiB",
  );
}
