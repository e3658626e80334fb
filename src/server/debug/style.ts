/** The debug page's style. It names no other resource. */
export const style = `
:root {
  color-scheme: light dark;
  --paper: #f6f7f9; --card: #ffffff; --line: #e3e6eb; --ink: #171a20;
  --soft: #667080; --accent: #0a6c74; --accent-soft: #dff3f3;
  --bad: #b3261e; --bad-soft: #fdeceb; --warn: #8a5a00; --warn-soft: #fdf1d8;
  --shadow: 0 1px 2px rgb(20 30 45 / 6%), 0 4px 16px rgb(20 30 45 / 5%);
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #0f1216; --card: #171b21; --line: #272d36; --ink: #e8ebf0;
    --soft: #97a1b0; --accent: #5cd0d0; --accent-soft: #12363a;
    --bad: #ff9d94; --bad-soft: #43201e; --warn: #f2c166; --warn-soft: #3d3015;
    --shadow: none;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
code, .mono { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.page { max-width: 72rem; margin: 0 auto; padding: 2rem 1.25rem 3rem; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .35rem .9rem; }
h1 { margin: 0; font-size: 1.5rem; letter-spacing: -.02em; }
h1 span { color: var(--soft); font-weight: 400; }
.state {
  align-self: center; padding: .1rem .6rem; border-radius: 99px;
  font-size: .8rem; font-weight: 600; color: var(--accent); background: var(--accent-soft);
}
.state.draining { color: var(--warn); background: var(--warn-soft); }
.where { flex-basis: 100%; margin: 0; color: var(--soft); font-size: .875rem; overflow-wrap: anywhere; }
.tiles {
  display: grid; grid-template-columns: repeat(6, 1fr);
  gap: .75rem; margin: 1.25rem 0 0;
}
.tiles div, .card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; box-shadow: var(--shadow); }
.tiles div { padding: .7rem 1rem .75rem; }
.tiles dt { color: var(--soft); font-size: .8rem; }
.tiles dd { margin: 0; font-size: 1.3rem; font-weight: 600; letter-spacing: -.01em; font-variant-numeric: tabular-nums; }
.tiles .bad dd { color: var(--bad); }
.card { margin-top: 1.25rem; overflow: hidden; }
.card h2 { margin: 0; padding: .85rem 1.15rem .75rem; font-size: 1.05rem; overflow-wrap: anywhere; }
.card h2 small { margin-left: .4rem; color: var(--soft); font-size: .8rem; font-weight: 400; }
table { width: 100%; table-layout: fixed; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .55rem .6rem; text-align: right; vertical-align: top; border-top: 1px solid var(--line); }
th.name { width: 20%; }
th.count { width: 4.9rem; }
th.time { width: 5.6rem; }
thead th { padding-block: .4rem; color: var(--soft); font-size: .78rem; font-weight: 500; white-space: nowrap; }
th.name, th.args, td.args { text-align: left; }
th.name { padding-left: 1.15rem; }
th:last-child, td:last-child { padding-right: 1.15rem; }
tbody th { font-weight: 600; overflow-wrap: anywhere; }
td { white-space: nowrap; }
td.args { white-space: normal; overflow-wrap: anywhere; color: var(--soft); font-size: .84rem; }
tbody tr:hover { background: color-mix(in srgb, var(--accent) 5%, transparent); }
.never { font-style: italic; font-family: system-ui, sans-serif; }
.zero { color: var(--soft); }
.pill { display: inline-block; min-width: 1.7em; padding: 0 .5em; border-radius: 99px; text-align: center; font-weight: 600; }
.pill.bad { color: var(--bad); background: var(--bad-soft); }
.pill.busy { color: var(--accent); background: var(--accent-soft); }
.empty { padding: 2.5rem 1.5rem; text-align: center; }
.empty h2 { padding: 0; }
.empty p { margin: .5rem auto 0; max-width: 34rem; color: var(--soft); }
.empty pre { display: inline-block; margin: 1rem 0 0; padding: .7rem 1rem; max-width: 100%; overflow-x: auto; text-align: left; border-radius: 8px; background: var(--paper); border: 1px solid var(--line); }
footer { margin-top: 1.5rem; color: var(--soft); font-size: .82rem; }
footer p { margin: .15rem 0; overflow-wrap: anywhere; }
.lost .state { color: var(--bad); background: var(--bad-soft); }
.lost main { opacity: .55; }
@media (max-width: 46rem) {
  .page { padding: 1.25rem .85rem 2rem; }
  .tiles { grid-template-columns: repeat(3, 1fr); gap: .5rem; }
  .tiles div { padding: .5rem .7rem; }
  .tiles dd { font-size: 1.05rem; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody { display: block; }
  tbody tr { display: grid; grid-template-columns: repeat(3, 1fr); gap: .4rem .75rem; padding: .75rem 1rem .85rem; border-top: 1px solid var(--line); }
  tbody th, tbody td, tbody th.name, tbody td:last-child { padding: 0; border: 0; text-align: left; width: auto; }
  tbody th, td.args { grid-column: 1 / -1; }
  td[data-label]::before { content: attr(data-label); display: block; color: var(--soft); font-size: .75rem; font-weight: 400; }
  .pill { min-width: 0; }
}
`;
