import { Fleet, startGeerpc } from "./fleet.ts";
import type { Execution } from "./ledger.ts";

const lanes = 2;

export interface Commands {
  /** What each `geerpc client` ended with, by the id that it called with. */
  ended: Map<number, { code: number; stderr: string }>;
  executions: Execution[];
}

/** Runs `geerpc client` again and again while all three servers are restarted in turn, so many times. */
export async function callByCommand(rounds: number): Promise<Commands> {
  await using fleet = await Fleet.open();
  const ended = new Map<number, { code: number; stderr: string }>();
  let isOver = false;
  let lastId = 0;
  const lane = async () => {
    while (!isOver) {
      const id = ++lastId;
      await using client = startGeerpc([
        "client",
        "Ledger.write",
        JSON.stringify({ id }),
        `--registry=${fleet.registry}`,
      ]);
      const { code, stderr } = await client.ended();
      ended.set(id, { code, stderr });
    }
  };
  const running = Array.from({ length: lanes }, lane);
  for (let restart = 0; restart < 3 * rounds; restart++) {
    await fleet.replace(restart % 3, (server) => server.leave());
  }
  isOver = true;
  await Promise.all(running);
  return { ended, executions: await fleet.executions() };
}
