import { emptyAnswer, jsonAnswer } from "../http/answer.ts";
import { serversHeader } from "./headers.ts";
import type { Listing } from "./store.ts";

/**
 * A header past this many bytes is left out where the JSON form was asked for:
 * HTTP clients give up on long ones (curl at 300 KB, Bun above 1 MB).
 */
const maxHeaderBytes = 64 * 1024;

/**
 * The answer to GET. The original's form is the header alone. The JSON form is
 * `{"servers":[{"address","services","expiresInMs"}]}` with every key always
 * there: `services` is null when the server did not tell them, `expiresInMs`
 * when it is listed for ever.
 */
export function listAnswer({ servers }: Listing, isJson: boolean): Response {
  const header = servers.map(({ address }) => address).join(",");
  if (!isJson)
    return emptyAnswer(200, { Vary: "Accept", [serversHeader]: header });
  const body = {
    servers: servers.map(({ address, services, expiresInMs }) => ({
      address,
      services: services ?? null,
      expiresInMs: expiresInMs === undefined ? null : Math.ceil(expiresInMs),
    })),
  };
  return jsonAnswer(JSON.stringify(body), 200, {
    Vary: "Accept",
    ...(header.length <= maxHeaderBytes ? { [serversHeader]: header } : {}),
  });
}
