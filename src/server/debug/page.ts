import { html, Html } from "../../http/html.ts";
import {
  countText,
  cutTo,
  durationText,
  uptimeText,
} from "../../http/units.ts";
import type { DebugReport, MethodReport, ServerReport } from "./report.ts";
import { script } from "./script.ts";
import { style } from "./style.ts";
import { workersSection } from "./workers-section.ts";

const maxNameChars = 200;
/** 32 fields of 64 characters with their kinds fit; more is no longer read by people. */
const maxArgsChars = 1_000;

/**
 * The debug page of a report: one HTML document without other resources, that
 * works without its script. Names and fields come from users and peers: all of
 * them are escaped and cut. `nonce` marks what of the page may run.
 */
export function debugPage(
  { services, server }: DebugReport,
  nonce: string,
): string {
  const list = Object.entries(services);
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>geerpc server</title>
        <link rel="icon" href="data:," />
        ${element("style", style, nonce)}
        <noscript><meta http-equiv="refresh" content="5" /></noscript>
      </head>
      <body>
        <div class="page">
          ${header(server)} ${tiles(services, server)}
          <main>
            ${server.workers === undefined ? "" : workersSection(server.workers)}
            ${list.length === 0 ? emptyState() : list.map(([name, methods]) => section(name, methods))}
          </main>
          <footer>
            <p>
              Times are those of handlers: half of the calls took p50 or less,
              99 of 100 took p99 or less.
            </p>
            <p>
              The same as JSON:
              <code>curl -H 'Accept: application/json' …/debug/geerpc</code>
            </p>
          </footer>
        </div>
        ${element("script", script, nonce)}
      </body>
    </html> `.text;
}

/** Its text is our own, and is not for escaping. */
function element(name: "style" | "script", text: string, nonce: string): Html {
  return html`${new Html(`<${name} nonce="`)}${nonce}${new Html(`">${text}</${name}>`)}`;
}

function header({ state, addresses, pid }: ServerReport): Html {
  const places = addresses.map((address) => cutTo(address, maxNameChars));
  const where =
    places.length === 0 ? "listens nowhere" : `listens on ${places.join(", ")}`;
  return html`<header data-live="header">
    <h1>geerpc <span>server</span></h1>
    <span class="state ${state}">${state}</span>
    <p class="where">${where} · process ${pid}</p>
  </header>`;
}

function tiles(
  services: DebugReport["services"],
  { uptimeMs, connections }: ServerReport,
): Html {
  const methods = Object.values(services).flatMap((list) =>
    Object.values(list),
  );
  const sum = (pick: (method: MethodReport) => number) =>
    methods.reduce((total, method) => total + pick(method), 0);
  const errors = sum((method) => method.errors);
  return html`<dl class="tiles" data-live="tiles">
    ${tile("up for", uptimeText(uptimeMs))}
    ${tile("connections", countText(connections))}
    ${tile("methods", countText(methods.length))}
    ${tile("calls", countText(sum((method) => method.calls)))}
    ${tile("errors", countText(errors), errors > 0 ? "bad" : "")}
    ${tile("in flight", countText(sum((method) => method.inFlight)))}
  </dl>`;
}

function tile(label: string, value: string, kind = ""): Html {
  return html`<div class="${kind}">
    <dt>${label}</dt>
    <dd>${value}</dd>
  </div>`;
}

function emptyState(): Html {
  return html`<section class="card empty" data-live="empty">
    <h2>No services yet</h2>
    <p>
      This server runs, and there is nothing to call on it. Give it an instance
      of a class:
    </p>
    <pre><code>server.register(new Arith())</code></pre>
  </section>`;
}

function section(name: string, methods: Record<string, MethodReport>): Html {
  const list = Object.entries(methods);
  const shown = cutTo(name, maxNameChars);
  return html`<section class="card" data-live="${shown}">
    <h2>
      <span class="mono">${shown}</span>
      <small>${list.length} ${list.length === 1 ? "method" : "methods"}</small>
    </h2>
    <table>
      <thead>
        <tr>
          <th scope="col" class="name">method</th>
          <th scope="col" class="args">arguments</th>
          <th scope="col" class="count">calls</th>
          <th scope="col" class="count">errors</th>
          <th scope="col" class="count">in flight</th>
          <th scope="col" class="time">p50</th>
          <th scope="col" class="time">p99</th>
          <th scope="col" class="time">max</th>
        </tr>
      </thead>
      <tbody>
        ${list.map(([method, report]) => row(method, report))}
      </tbody>
    </table>
  </section> `;
}

function row(method: string, report: MethodReport): Html {
  const { calls, errors, inFlight } = report;
  const isMeasured = calls > inFlight;
  const time = (us: number) => (isMeasured ? durationText(us) : "–");
  return html`<tr>
    <th scope="row" class="name mono">${cutTo(method, maxNameChars)}</th>
    <td class="args mono">${argsText(report)}</td>
    <td data-label="calls" ${zero(calls === 0)}>${countText(calls)}</td>
    <td data-label="errors" ${zero(errors === 0)}>${pill(errors, "bad")}</td>
    <td data-label="in flight" ${zero(inFlight === 0)}>
      ${pill(inFlight, "busy")}
    </td>
    <td data-label="p50" ${zero(!isMeasured)}>${time(report.p50Us)}</td>
    <td data-label="p99" ${zero(!isMeasured)}>${time(report.p99Us)}</td>
    <td data-label="max" ${zero(!isMeasured)}>${time(report.maxUs)}</td>
  </tr> `;
}

function argsText({ args }: MethodReport): Html {
  if (args === "") return html`<span class="never">not called yet</span>`;
  if (args === "undefined") return html`<span class="never">none</span>`;
  return html`${cutTo(args, maxArgsChars)}`;
}

function zero(isZero: boolean): Html {
  return isZero ? html` class="zero"` : html``;
}

function pill(count: number, kind: "bad" | "busy"): Html {
  return count === 0
    ? html`0`
    : html`<span class="pill ${kind}">${countText(count)}</span>`;
}
