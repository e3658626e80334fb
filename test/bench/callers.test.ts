import { expect, test } from "bun:test";
import { systemClock } from "../../src/base/clock.ts";
import { closeCallers, openCallers } from "../../src/bench/callers.ts";
import { Fleet } from "../../src/bench/fleet.ts";
import { Server } from "../../src/server/server.ts";
import type { Context } from "../../src/service/context.ts";

/** Says which server it is, and to whom. */
function whoServes(name: string): Server {
  const who = (_: unknown, { peer }: Context) => `${name} to ${peer.address}`;
  return new Server().register({ who }, "Who");
}

const options = { connections: 2, clock: systemClock };

async function told(
  callers: Awaited<ReturnType<typeof openCallers>>,
  rounds: number,
): Promise<string[]> {
  const answers: string[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const caller of callers) {
      answers.push((await caller.call("Who.who")) as string);
    }
  }
  return answers;
}

test("a client for each connection to one server, closed with them", async () => {
  await using server = whoServes("a");
  const callers = await openCallers(
    { address: await server.listen() },
    options,
  );
  expect(new Set(await told(callers, 3)).size).toBe(2);
  await closeCallers(callers);
  for (const caller of callers) {
    const thrown = await caller.call("Who.who").catch((e) => e);
    expect(thrown).toMatchObject({ code: "unavailable" });
  }
});

test("several servers in turns, each over so many connections", async () => {
  await using one = whoServes("a");
  await using other = whoServes("b");
  const targets = [await one.listen(), await other.listen()];
  const callers = await openCallers({ targets }, options);
  expect(callers.length).toBe(2);
  // Each server's second connection is dialled at the first call beside another.
  await Promise.all(
    callers.flatMap((caller) => [
      caller.call("Who.who"),
      caller.call("Who.who"),
    ]),
  );
  const answers = await told(callers, 6);
  const names = answers.map((answer) => answer[0]);
  expect(names.filter((name) => name === "a").length).toBe(6);
  expect(new Set(answers).size).toBe(4);
  await closeCallers(callers);
});

test("nobody there leaves nothing open", async () => {
  const destination = { address: "unix@/nowhere/geerpc.sock" };
  const thrown = await openCallers(destination, options).catch((e) => e);
  expect(thrown).toMatchObject({ code: "unavailable", sent: false });
});

test("a registry is shown the token", async () => {
  const token = "7d4f".repeat(8);
  const shown: (string | null)[] = [];
  await using registry = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    development: false,
    fetch({ headers }) {
      shown.push(headers.get("Authorization"));
      return new Response("no", { status: 403 });
    },
  });
  const destination = { targets: [registry.url.href], registryToken: token };
  await openCallers(destination, options).catch((e) => e);
  expect(shown[0]).toBe(`Bearer ${token}`);
});

test("a fleet is three servers, listed once it has started", async () => {
  let next = 0;
  const services = { Who: { who: () => next++ } };
  await using fleet = await Fleet.start(services);
  const response = await fetch(fleet.registry, {
    headers: { Accept: "application/json" },
  });
  const { servers } = (await response.json()) as {
    servers: { address: string; services: string[] }[];
  };
  expect(new Set(servers.map(({ address }) => address)).size).toBe(3);
  expect(servers.map((server) => server.services)).toEqual([
    ["Who"],
    ["Who"],
    ["Who"],
  ]);
});
