import { serversHeader } from "./headers.ts";
import type { Listing } from "./store.ts";

/**
 * A header past this many bytes is left out where the JSON form was asked for:
 * HTTP clients give up on long ones (curl at 300 KB, Bun above 1 MB).
 */
const maxHeaderBytes = 64 * 1024;

/** Answers change from one moment to the next, and are never anything to run. */
const commonHeaders = {
  "Cache-Control": "no-store",
  "X-Content-Type-Options": "nosniff",
};

/** An answer without a body. The original's clients read the status and the headers only. */
export function emptyAnswer(
  status: number,
  headers: Record<string, string> = {},
): Response {
  return new Response(null, {
    status,
    headers: { ...commonHeaders, ...headers },
  });
}

/** An answer whose one line of text is for people. */
export function textAnswer(
  status: number,
  text: string,
  headers: Record<string, string> = {},
): Response {
  return new Response(`${text}\n`, {
    status,
    headers: {
      ...commonHeaders,
      "Content-Type": "text/plain; charset=utf-8",
      ...headers,
    },
  });
}

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
  return new Response(JSON.stringify(body), {
    headers: {
      ...commonHeaders,
      Vary: "Accept",
      "Content-Type": "application/json",
      ...(header.length <= maxHeaderBytes ? { [serversHeader]: header } : {}),
    },
  });
}

/** Whether an Accept header asks for JSON by name: a wildcard does not. */
export function acceptsJson(accept: string | null): boolean {
  return (accept ?? "").split(",").some((range) => {
    const [type = "", ...parameters] = range.split(";");
    const isRefused = parameters.some((text) =>
      /^\s*q=0(\.0*)?\s*$/.test(text),
    );
    return type.trim().toLowerCase() === "application/json" && !isRefused;
  });
}
