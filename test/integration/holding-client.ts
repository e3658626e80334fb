import { Client } from "../../src/client/client.ts";
import type { Holding } from "./holding.ts";

// A program that calls the Holding at the address that it is given, in each
// way, and waits. It prints what its stream says.

const client = await Client.dial(process.argv[2] ?? "");
const remote = client.as<{ Holding: Holding }>().Holding;

async function* endless(): AsyncGenerator<string, void> {
  yield "argument";
  await new Promise(() => {});
}

void remote.call("call", { timeoutMs: 0 });
void remote.read(endless());
for await (const line of remote.stream("stream")) console.log(line);
