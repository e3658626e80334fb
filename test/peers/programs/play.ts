import { createInterface } from "node:readline";
import { type Caller, runSlice, type SliceRequest } from "./load.ts";

/** Both ends of a peer, each in a process of its own. */
export interface Peer {
  /** Resolves with what `dial` needs once calls are accepted. */
  serve(broker: string): Promise<string>;
  /** One connection, ready for calls; `how` chooses where there are several ways. */
  dial(address: string, how?: string): Promise<Caller>;
}

/**
 * Plays the end that the command line names: `serve BROKER`, which says where
 * it listens, or `call ADDRESS [HOW]`, which answers each line of its input, a
 * SliceRequest, with a SliceAnswer. Both end when their input does.
 */
export async function play(peer: Peer): Promise<void> {
  const [role, at = "", how] = process.argv.slice(2);
  const input = createInterface({ input: process.stdin });
  input.on("close", () => process.exit());
  if (role === "serve") {
    print({ listening: await peer.serve(at) });
    return;
  }
  const caller = await peer.dial(at, how);
  input.on("line", (line) => {
    runSlice(caller, JSON.parse(line) as SliceRequest).then(print, (thrown) =>
      print({ error: String(thrown) }),
    );
  });
  print({ ready: true });
}

function print(line: unknown): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
