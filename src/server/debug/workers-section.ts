import { html, type Html } from "../../http/html.ts";
import { countText, uptimeText } from "../../http/units.ts";
import type { WorkerReport } from "./report.ts";

const labels = ["up for", "connections", "calls", "errors", "in flight"];

/** The processes that share the port, a row each: those without figures are named. */
export function workersSection(workers: readonly WorkerReport[]): Html {
  const silent = workers.filter(({ state }) => state === "silent").length;
  return html`<section class="card" data-live="workers">
    <h2>
      Workers
      <small
        >${workers.length === 1 ? "1 process" : `${workers.length} processes`}
        on this
        port${silent === 0 ? "" : `, ${silent} without an answer and in no sum`}</small
      >
    </h2>
    <table>
      <thead>
        <tr>
          <th scope="col" class="name">worker</th>
          <th scope="col" class="args">state</th>
          ${labels.map((label) => html`<th scope="col" class="time">${label}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${workers.map(row)}
      </tbody>
    </table>
  </section>`;
}

function row(report: WorkerReport): Html {
  const { worker, pid, state } = report;
  const process = pid === null ? "no process" : `process ${pid}`;
  return html`<tr>
    <th scope="row" class="name">${worker}</th>
    <td class="args">
      ${process}, ${state === "silent" ? "no answer" : state}
    </td>
    ${report.state === "silent" ? labels.map((label) => cell(label, "–")) : figures(report)}
  </tr> `;
}

function figures(
  report: Exclude<WorkerReport, { state: "silent" }>,
): readonly Html[] {
  const { connections, calls, errors, inFlight } = report;
  const counts = [connections, calls, errors, inFlight].map(countText);
  const texts = [uptimeText(report.uptimeMs), ...counts];
  return labels.map((label, at) => cell(label, texts[at] ?? ""));
}

function cell(label: string, text: string): Html {
  return html`<td data-label="${label}">${text}</td>`;
}
