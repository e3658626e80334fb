/** What a connection speaks, told from its first bytes. */
export type Greeting =
  "option" | "connect" | "http" | "gorpc" | "jsonrpc" | "unknown";

const openBrace = 0x7b;
const openBracket = 0x5b;
const connect = Buffer.from("CONNECT ");

/** The keys that a JSON-RPC request can begin with; an Option has none of them. */
const jsonRpcKeys = ["jsonrpc", "method", "params", "id"];
/** A first key that is not there by then is none of JSON-RPC's. */
const maxKeyBytes = 64;

/** White space before JSON-RPC, which JSON allows; more of it is no greeting. */
const maxBlankBytes = 64;

/** The field by which the first type that a net/rpc client defines is known. */
const goField = "ServiceMethod";

/** Undefined while the bytes could still become either of two. */
export function sniff(bytes: Uint8Array): Greeting | undefined {
  const [first] = bytes;
  if (first === undefined) return undefined;
  if (first === openBrace) return sniffObject(bytes);
  if (first === openBracket) return "jsonrpc";
  if (first >= 0x41 && first <= 0x5a) return sniffHttp(bytes);
  return isBlank(first) ? sniffBlank(bytes) : sniffGob(bytes, first);
}

/** JSON-RPC behind white space; an Option begins with its brace. CR and space may be lengths of gob. */
function sniffBlank(bytes: Uint8Array): Greeting | undefined {
  let at = 1;
  while (at <= maxBlankBytes && isBlank(bytes[at])) at++;
  if (at > maxBlankBytes) return "unknown";
  if (at === bytes.length) return undefined;
  if (bytes[at] !== openBrace && bytes[at] !== openBracket) {
    return sniffGob(bytes, bytes[0] as number);
  }
  const greeting = sniff(bytes.subarray(at));
  return greeting === "option" ? "unknown" : greeting;
}

/** White space of JSON: tab, LF, CR and space. */
function isBlank(byte: number | undefined): boolean {
  return byte === 0x09 || byte === 0x0a || byte === 0x0d || byte === 0x20;
}

/**
 * Gob's first message defines the struct of requests: its length in one byte,
 * the negated type id (7f, or ff or fe and more bytes), and the fields' names.
 */
function sniffGob(bytes: Uint8Array, length: number): Greeting | undefined {
  const isGob = length >= goField.length && length <= 0x7f;
  const [, second = 0xff] = bytes;
  if (!isGob || ![0x7f, 0xff, 0xfe].includes(second)) return "unknown";
  if (bytes.length <= length) return undefined;
  const definition = Buffer.from(bytes.subarray(1, 1 + length));
  return definition.includes(goField) ? "gorpc" : "unknown";
}

/** An Option or a JSON-RPC request: the first key tells. */
function sniffObject(bytes: Uint8Array): Greeting | undefined {
  const text = Buffer.from(bytes.subarray(0, maxKeyBytes)).toString("latin1");
  const [, key, quote, next] =
    /^\{\s*(?:"([a-z]*)("?)([^]?))?/.exec(text) ?? [];
  if (quote === '"') {
    return jsonRpcKeys.includes(key ?? "") ? "jsonrpc" : "option";
  }
  // What is there may be the front of such a key, or the blanks before it.
  const isOpen = key === undefined ? /^\{\s*$/.test(text) : next === "";
  const isPossible = jsonRpcKeys.some((name) => name.startsWith(key ?? ""));
  return isOpen && isPossible && bytes.length < maxKeyBytes
    ? undefined
    : "option";
}

function sniffHttp(bytes: Uint8Array): Greeting | undefined {
  const length = Math.min(bytes.length, connect.length);
  const isConnect = connect
    .subarray(0, length)
    .equals(bytes.subarray(0, length));
  if (!isConnect) return "http";
  return length === connect.length ? "connect" : undefined;
}
