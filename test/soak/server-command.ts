import { callByCommand } from "../faults/server-command.ts";
import { report } from "./figures.ts";

const rounds = 10;

/** `geerpc client`, run again and again while all three servers are restarted in turn. */
export async function serverCommand(): Promise<void> {
  const { ended, executions } = await callByCommand(rounds);
  const failed = [...ended.values()].filter(({ code }) => code !== 0);
  for (const { stderr } of failed.slice(0, 5)) console.log(stderr);
  const what = `geerpc client, ${ended.size} times during ${rounds} rolling restarts`;
  report(`${what}: failed`, failed.length, { atMost: 0 }, "runs");
  report(
    `${what}: executed more or less than once`,
    Math.abs(executions.length - ended.size) +
      executions.length -
      new Set(executions.map(({ id }) => id)).size,
    { atMost: 0 },
    "calls",
  );
}
