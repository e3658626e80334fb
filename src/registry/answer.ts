import { acceptsHtml, acceptsJson } from "../http/accept.ts";
import { emptyAnswer, jsonAnswer } from "../http/answer.ts";
import { plainDescription } from "./description.ts";
import { serversHeader } from "./headers.ts";
import type { ListedServer } from "./listing.ts";
import { listPage } from "./page.ts";
import type { Listing } from "./store.ts";
import { hasService } from "./watchers.ts";

/** What a list is answered as: the original's header alone, or beside one of the others. */
export type ListForm = "header" | "json" | "page";

/**
 * A header past this many bytes is left out where another form was asked for:
 * HTTP clients give up on long ones (curl at 300 KB, Bun above 1 MB).
 */
const maxHeaderBytes = 64 * 1024;

/** The form that an Accept header asks for, by its name: the original's clients send none. */
export function formOf(accept: string | null): ListForm {
  if (acceptsJson(accept)) return "json";
  return acceptsHtml(accept) ? "page" : "header";
}

/** The part of a list that can answer calls to `service`: who has not told its services may have it. */
export function having(service: string | null, listing: Listing): Listing {
  if (service === null) return listing;
  const servers = listing.servers.filter((server) =>
    hasService(server, service),
  );
  return { ...listing, servers };
}

/**
 * The answer to GET. The original's form is the header alone. The JSON form is
 * `{"servers":[{"address","services","expiresInMs"}]}` with these keys always
 * there: `services` is null when the server did not tell them, `expiresInMs`
 * when it is listed for ever. `version`, `weight`, `zone`, `load` and `labels`
 * are there where the server told them. `revision` is what a watch goes on from;
 * `fillingForMs` is there while servers may be missing that live, since the
 * registry has just begun.
 */
export function listAnswer(
  { servers, fillingForMs }: Listing,
  form: ListForm,
  revision: string,
  service: string | null,
): Response {
  const header = servers.map(({ address }) => address).join(",");
  const vary = { Vary: "Accept" };
  if (form === "header") {
    return emptyAnswer(200, { ...vary, [serversHeader]: header });
  }
  const headers = {
    ...vary,
    ...(header.length <= maxHeaderBytes ? { [serversHeader]: header } : {}),
  };
  if (form === "page") return pageAnswer(servers, service, headers);
  const body = JSON.stringify({
    revision,
    fillingForMs: fillingForMs && Math.ceil(fillingForMs),
    servers: servers.map(listEntry),
  });
  return jsonAnswer(body, 200, headers);
}

/** One server as the list's JSON has it. */
function listEntry(server: ListedServer): object {
  const { address, services, expiresInMs } = server;
  return {
    address,
    ...plainDescription(server),
    services: services ?? null,
    expiresInMs: expiresInMs === undefined ? null : Math.ceil(expiresInMs),
  };
}

function pageAnswer(
  servers: readonly ListedServer[],
  service: string | null,
  headers: Record<string, string>,
): Response {
  const nonce = crypto.randomUUID();
  return new Response(listPage(servers, service, nonce), {
    headers: {
      ...headers,
      "Cache-Control": "no-store",
      "X-Content-Type-Options": "nosniff",
      "Referrer-Policy": "no-referrer",
      "Content-Type": "text/html; charset=utf-8",
      "Content-Security-Policy": `default-src 'none'; style-src 'nonce-${nonce}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    },
  });
}
