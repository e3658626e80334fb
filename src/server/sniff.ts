/** What a connection speaks, told from its first bytes. */
export type Greeting = "option" | "connect" | "http" | "unknown";

const openBrace = 0x7b;
const connect = Buffer.from("CONNECT ");

/** Undefined while the bytes could still become either of two. */
export function sniff(bytes: Uint8Array): Greeting | undefined {
  const first = bytes[0];
  if (first === undefined) return undefined;
  if (first === openBrace) return "option";
  if (first < 0x41 || first > 0x5a) return "unknown";
  const length = Math.min(bytes.length, connect.length);
  const isConnect = connect
    .subarray(0, length)
    .equals(bytes.subarray(0, length));
  if (!isConnect) return "http";
  return length === connect.length ? "connect" : undefined;
}
