import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What each frame makes of each state: states, then frames, then what stands in the cell. */
export type StateTable = Map<string, Map<string, string>>;

const document = join(import.meta.dir, "../../src/wire/PROTOCOL.md");

/** The tables of PROTOCOL.md under "States of a call": the callee's view, and the caller's. */
export function readStateTables(): { callee: StateTable; caller: StateTable } {
  const text = readFileSync(document, "utf8");
  const [, section = ""] = text.split("### States of a call");
  const [tables = ""] = section.split("\n#");
  const blocks = tables
    .split("\n\n")
    .filter((block) => block.trim().startsWith("|"));
  const [callee, caller, ...more] = blocks.map(parseTable);
  if (callee === undefined || caller === undefined || more.length > 0) {
    throw new Error(`${blocks.length} tables of states instead of two`);
  }
  return { callee, caller };
}

function parseTable(block: string): StateTable {
  const [head = [], , ...rows] = block.trim().split("\n").map(cellsOf);
  const [, ...frames] = head;
  return new Map(
    rows.map(([state = "", ...cells]) => [
      state,
      new Map(frames.map((frame, at) => [frame, cells[at] ?? ""])),
    ]),
  );
}

function cellsOf(line: string): string[] {
  return line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());
}
