import { Html, html } from "../http/html.ts";
import { cutTo } from "../http/units.ts";
import type { ListedServer } from "./listing.ts";

/** What people still read in a cell. */
const maxCellChars = 200;

const style = `
:root { color-scheme: light dark; }
body { margin: 2rem auto; max-width: 76rem; padding: 0 1.25rem; font: 15px/1.5 system-ui, sans-serif; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid #8884; overflow-wrap: anywhere; }
td:first-child { font-family: ui-monospace, monospace; }
`;

/**
 * The list as a page: one HTML document without a script or another resource.
 * What it shows was said by servers and by who asks: all of it is escaped and
 * cut.
 *
 * @param service the one that these servers have; null: any
 */
export function listPage(
  servers: readonly ListedServer[],
  service: string | null,
  nonce: string,
): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>geerpc registry</title>
        <link rel="icon" href="data:," />
        ${new Html(`<style nonce="${nonce}">${style}</style>`)}
        <meta http-equiv="refresh" content="5" />
      </head>
      <body>
        <h1>geerpc registry</h1>
        ${service === null ? "" : filterNote(service)}
        ${servers.length === 0 ? html`<p>No server is registered.</p>` : table(servers)}
        <p>
          The same as JSON: <code>curl -H 'Accept: application/json' …</code>
        </p>
      </body>
    </html> `.text;
}

function filterNote(service: string): Html {
  return html`<p>
    Those that have <b>${cutTo(service, maxCellChars)}</b>, or have not told.
    <a href="?">All servers</a>
  </p>`;
}

function table(servers: readonly ListedServer[]): Html {
  return html`<table>
    <thead>
      <tr>
        <th>Server</th>
        <th>Services</th>
        <th>Version</th>
        <th>Weight</th>
        <th>Load</th>
        <th>Zone</th>
        <th>Labels</th>
        <th>Lease</th>
      </tr>
    </thead>
    <tbody>
      ${servers.map(row)}
    </tbody>
  </table>`;
}

function row(server: ListedServer): Html {
  const { address, services, version, weight, load, zone, expiresInMs } =
    server;
  const labels = [...(server.labels ?? [])].map(
    ([key, text]) => `${key}=${text}`,
  );
  return html`<tr>
    ${[
      address,
      services === undefined ? "not told" : services.join(", "),
      version ?? "",
      String(weight ?? ""),
      String(load ?? ""),
      zone ?? "",
      labels.join(", "),
      expiresInMs === undefined
        ? "for ever"
        : `${Math.ceil(expiresInMs / 1_000)} s`,
    ].map((text) => html`<td>${cutTo(text, maxCellChars)}</td>`)}
  </tr> `;
}
