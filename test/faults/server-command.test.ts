import { expect, setDefaultTimeout, test } from "bun:test";
import { startGeerpc } from "./fleet.ts";
import { callByCommand } from "./server-command.ts";

setDefaultTimeout(60_000);

test("geerpc client goes on while all servers are restarted in turn", async () => {
  const { ended, executions } = await callByCommand(1);
  expect(ended.size).toBeGreaterThan(3);
  expect([...ended].filter(([, { code }]) => code !== 0)).toEqual([]);
  expect(executions.map(({ id }) => id).sort()).toEqual(
    [...ended.keys()].sort(),
  );
});

test("geerpc bench whose server leaves reports what it has, and fails", async () => {
  await using server = startGeerpc(["server"]);
  const address = await server.listening();
  await using bench = startGeerpc([
    "bench",
    `--server=${address}`,
    "--inflight=4",
    "--duration=2s",
    "--json",
  ]);
  while ((await sumsOf(address)) < 100) await Bun.sleep(20);
  server.signal("SIGTERM");
  const { code, stdout } = await bench.ended();
  const { cases } = JSON.parse(stdout) as { cases: { errors: number }[] };
  expect(code).toBe(1);
  expect(cases[0]?.errors).toBeGreaterThan(0);
  expect((await server.ended()).code).toBe(0);
});

/** Calls of Foo.Sum so far, as the server's debug page says. */
async function sumsOf(address: string): Promise<number> {
  const page = address.replace("tcp@", "http://");
  const answer = await fetch(`${page}/debug/geerpc`, {
    headers: { Accept: "application/json" },
    keepalive: false,
  });
  const { services } = (await answer.json()) as {
    services: { Foo: { Sum: { calls: number } } };
  };
  return services.Foo.Sum.calls;
}
