import { RpcError } from "../errors.ts";
import { type Endpoint, endpointList } from "./discovery.ts";
import { readJsonListing } from "./listing.ts";

/**
 * Reads a file of servers. Either lines, an address on each, with blank lines
 * and comments from a `#` on:
 *
 *     # the old machines
 *     10.0.0.1:4000
 *     tcp@10.0.0.2:4000  # until Friday
 *
 * or, where it begins with a brace, JSON as a registry lists servers:
 *
 *     {"servers":[{"address":"10.0.0.1:4000","services":["Arith"],"zone":"a"}]}
 *
 * Of JSON, which programs write, entries that this version cannot dial are
 * skipped; of lines each has to be an address.
 *
 * @throws RpcError invalid_argument  a line that is none; names its number
 * @throws RpcError internal          broken JSON, or no usable entry in it
 */
export function readEndpointFile(text: string): readonly Endpoint[] {
  if (/^\s*\{/.test(text)) return readJsonListing(text).endpoints;
  return endpointList(
    text.split(/\r?\n/).flatMap((line, index) => endpointOn(line, index + 1)),
  );
}

/** The line as a list of one, or of none. */
function endpointOn(line: string, number: number): readonly Endpoint[] {
  const address = line.replace(/(^|\s)#.*$/, "").trim();
  if (address === "") return [];
  try {
    return endpointList([{ address, services: undefined }]);
  } catch (cause) {
    const { message } = RpcError.from(cause);
    throw new RpcError("invalid_argument", `line ${number}: ${message}`, {
      cause,
    });
  }
}
