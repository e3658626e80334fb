import { describe, expect, test } from "bun:test";
import {
  debugReport,
  type ServerReport,
} from "../../../src/server/debug/report.ts";
import { debugPage } from "../../../src/server/debug/page.ts";
import { sumTallies, tallyOf } from "../../../src/server/debug/tally.ts";
import { Method } from "../../../src/service/method.ts";
import { testRandom } from "../../support/seed.ts";

const server: ServerReport = {
  state: "serving",
  uptimeMs: 100,
  connections: 2,
  addresses: ["tcp@127.0.0.1:7"],
  pid: 1,
};

function method(name: string, limiting?: { limit: number; refusals: number }) {
  const method = new Method(name, {}, () => 1);
  return limiting === undefined
    ? method
    : Object.assign(Object.create(method), { adaptiveLimit: limiting });
}

/** A call that took so long. */
function call(
  method: Method,
  { args, elapsedMs = 1, isError = false }: Partial<Call> = {},
): void {
  method.countIn(args);
  method.end(elapsedMs, isError);
}
interface Call {
  args: unknown;
  elapsedMs: number;
  isError: boolean;
}

const listOf = (...methods: Method[]) => new Map([["Foo", methods]]);

describe("the sum", () => {
  test("of calls spread over processes is the report of one that had them all", () => {
    const random = testRandom();
    const all = method("Foo.bar");
    const parts = [method("Foo.bar"), method("Foo.bar"), method("Foo.bar")];
    for (let n = 0; n < 2_000; n++) {
      const one = {
        args: { a: n },
        elapsedMs: 200 * random() ** 4,
        isError: random() < 0.1,
      };
      call(all, one);
      call(parts[Math.floor(random() * parts.length)] as Method, one);
    }
    all.countIn({ a: 1 });
    parts[1]?.countIn({ a: 1 });
    const workers = parts.map((part, at) => ({
      worker: at + 1,
      pid: at,
      tally: structuredClone(tallyOf(listOf(part), server)),
    }));
    const { services } = debugReport(listOf(all), server);
    expect(sumTallies(workers, 7).services).toEqual(services);
    expect(services["Foo"]?.["bar"]).toMatchObject({
      calls: 2_001,
      inFlight: 1,
    });
  });

  test("of servers: counts are added, addresses named once, the oldest tells the time", () => {
    const draining = { ...server, state: "draining", pid: 2 } as const;
    const sum = (...servers: ServerReport[]) =>
      sumTallies(
        servers.map((each, at) => ({
          worker: at + 1,
          pid: each.pid,
          tally: tallyOf(listOf(), each),
        })),
        7,
      ).server;
    expect(sum(server, { ...draining, uptimeMs: 900 })).toMatchObject({
      state: "serving",
      uptimeMs: 900,
      connections: 4,
      addresses: ["tcp@127.0.0.1:7"],
      pid: 7,
    });
    expect(sum(draining, draining).state).toBe("draining");
  });

  test("of limits and refusals, where there is no limit while one has none", () => {
    const sum = (...limits: { limit: number; refusals: number }[]) =>
      sumTallies(
        limits.map((limit, at) => ({
          worker: at + 1,
          pid: at,
          tally: tallyOf(listOf(method("Foo.bar", limit)), server),
        })),
        7,
      ).services["Foo"]?.["bar"];
    const some = { limit: 3, refusals: 4 };
    expect(sum(some, some)).toMatchObject({ adaptiveLimit: 6, refusals: 8 });
    expect(sum(some, { limit: Infinity, refusals: 1 })).toMatchObject({
      adaptiveLimit: null,
      refusals: 5,
    });
  });

  test("shows each shape that arguments had", () => {
    const [one, two, three] = [1, 2, 3].map(() => method("Foo.bar"));
    call(one, { args: { a: 1 } });
    call(two, { args: "text" });
    const workers = [one, two, three].map((each, at) => ({
      worker: at + 1,
      pid: at,
      tally: tallyOf(listOf(each), server),
    }));
    const { services } = sumTallies(workers, 7);
    expect(services["Foo"]?.["bar"]?.args).toBe("{a: number} | string");
  });

  test("has services and methods of any name", () => {
    const names = ["__proto__", "constructor", "plain"];
    const methods = new Map(
      names.map((service) => [
        service,
        names.map((name) => method(`${service}.${name}`)),
      ]),
    );
    const tally = structuredClone(tallyOf(methods, server));
    const { services } = sumTallies([{ worker: 1, pid: 1, tally }], 7);
    expect(Object.keys(services)).toEqual(names);
    for (const service of names) {
      const list = Object.getOwnPropertyDescriptor(services, service)?.value;
      expect(Object.keys(list)).toEqual(names);
    }
  });
});

describe("each worker", () => {
  const bar = method("Foo.bar");
  call(bar, { isError: true });
  bar.countIn(1);
  const tally = tallyOf(listOf(bar, method("Foo.other")), server);
  const report = sumTallies(
    [
      { worker: 1, pid: 1, tally },
      { worker: 2, pid: 22, tally: undefined },
      { worker: 3, pid: undefined, tally: undefined },
    ],
    7,
  );

  test("is there with its own figures; who gave none is named and in no sum", () => {
    expect(report.server.connections).toBe(2);
    expect(report.server.workers).toEqual([
      {
        ...{ worker: 1, pid: 1, state: "serving", uptimeMs: 100 },
        ...{ connections: 2, calls: 2, errors: 1, inFlight: 1 },
      },
      { worker: 2, pid: 22, state: "silent" },
      { worker: 3, pid: null, state: "silent" },
    ]);
  });

  test("has a row on the page, which has none where there are no workers", () => {
    const rows = (page: string) => {
      const found: string[] = [];
      const section = new HTMLRewriter().on('[data-live="workers"] tbody tr', {
        element: () => void found.push(""),
        text: ({ text }) => void found.push(`${found.pop()}${text}`),
      });
      section.transform(page);
      return found.map((row) => row.replace(/\s+/g, " ").trim());
    };
    expect(rows(debugPage(report, "nonce"))).toEqual([
      "1 process 1, serving 0 s2211",
      "2 process 22, no answer –––––",
      "3 no process, no answer –––––",
    ]);
    const own = debugReport(listOf(bar), server);
    expect(rows(debugPage(own, "nonce"))).toEqual([]);
  });
});
