import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import { pageItem, parseGoPage, withGoLists } from "../../src/cli/go-list.ts";
import { callExitCode } from "../../src/cli/exit-code.ts";
import type { Settled } from "../../src/xclient/broadcast.ts";

type Table = Record<string, readonly string[]>;

/** The page as the original's template renders it; net/rpc's differs in its title. */
function goPage(services: Table, title = "GeeRPC Services"): string {
  const blocks = Object.entries(services).map(
    ([service, methods]) => `
\t<hr>
\tService ${service}
\t<hr>
\t\t<table>
\t\t<th align=center>Method</th><th align=center>Calls</th>
\t\t${methods
      .map(
        (method) => `
\t\t\t<tr>
\t\t\t<td align=left font=fixed>${method}(main.Args, *int) error</td>
\t\t\t<td align=center>0</td>
\t\t\t</tr>
\t\t`,
      )
      .join("")}
\t\t</table>
\t`,
  );
  return `<html>
\t<body>
\t<title>${title}</title>
\t${blocks.join("")}
\t</body>
\t</html>`;
}

describe("parseGoPage", () => {
  test.each<[Table]>([
    [{}],
    [{ Foo: ["Sleep", "Sum"] }],
    [{ Arith: ["Mul"], "a.dotted-Name": ["Größe"], Foo: ["Sum"] }],
    [{ Bare: [] }],
  ])("%j", (services) => {
    expect(parseGoPage(goPage(services))).toEqual(services as never);
    expect(parseGoPage(goPage(services, "Services"))).toEqual(
      services as never,
    );
  });

  test("names of what every object has are names like others", () => {
    const page = goPage({ constructor: ["toString"] });
    expect(Object.entries(parseGoPage(page))).toEqual([
      ["constructor", ["toString"]],
    ]);
  });

  test("what is matched never leaves its line, however many are empty", () => {
    const blank = "\n \n\t\n".repeat(1_000);
    const heading = "\t Service Foo \t";
    const matches = [...`${blank}${heading}${blank}`.matchAll(pageItem)];
    expect(matches.map(({ 0: text, index }) => [text, index])).toEqual([
      [heading, blank.length],
    ]);
    expect(parseGoPage(`\r\n${heading}\r\n`)).toEqual({ Foo: [] });
  });

  test("another page has none", () => {
    expect(parseGoPage("<h1>Service</h1><td>a(b)</td>")).toEqual({});
  });
});

describe("withGoLists", () => {
  const unknown = new RpcError("unimplemented", "can't find service _geerpc");

  /** A server of Go with a page at `path`; what is asked there is noted. */
  function serve(path: string, answer: () => Response) {
    const asked: string[] = [];
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch(request) {
        const { pathname } = new URL(request.url);
        asked.push(pathname);
        return pathname === path ? answer() : new Response("", { status: 404 });
      },
    });
    const at = `127.0.0.1:${server.port}`;
    return { at, asked, [Symbol.asyncDispose]: () => server.stop(true) };
  }

  const html = (services: Table) => () => new Response(goPage(services));

  test.each([
    ["http", "/debug/geerpc"],
    ["gorpc+http", "/debug/rpc"],
  ])("%s@ is looked up at %s", async (protocol, path) => {
    await using server = serve(path, html({ Foo: ["Sum"] }));
    const address = `${protocol}@${server.at}`;
    const lists = await withGoLists(new Map([[address, { error: unknown }]]));
    expect(lists.get(address)).toEqual({
      reply: { services: { Foo: ["Sum"] } },
    });
    expect(server.asked).toEqual([path]);
  });

  test("nobody else is asked", async () => {
    await using server = serve("/debug/geerpc", html({ Foo: ["Sum"] }));
    const outcomes = new Map<string, Settled>([
      [`tcp@${server.at}`, { error: new RpcError("internal", "a") }],
      [`http@${server.at}`, { reply: { services: {} } }],
      [`gorpc+http@${server.at}`, { error: new RpcError("unavailable", "a") }],
    ]);
    expect(await withGoLists(outcomes)).toEqual(outcomes);
    expect(server.asked).toEqual([]);
  });

  test.each(["tcp", "gorpc", "jsonrpc"])(
    "of a server at %s@ it is said where Go's have lists",
    async (protocol) => {
      const address = `${protocol}@127.0.0.1:1`;
      const lists = await withGoLists(new Map([[address, { error: unknown }]]));
      const { error } = lists.get(address) as { error: RpcError };
      expect(error.code).toBe("unimplemented");
      expect(error.cause).toBe(unknown);
      expect(callExitCode(error)).toBe(1);
    },
  );

  test.each([
    ["is missing", () => new Response("no", { status: 404 })],
    ["is endless", () => new Response("x".repeat(2 ** 20 + 1))],
  ])("a page that %s leaves the first answer", async (_, answer) => {
    await using server = serve("/debug/geerpc", answer);
    const outcomes = new Map([[`http@${server.at}`, { error: unknown }]]);
    expect(await withGoLists(outcomes)).toEqual(outcomes);
  });
});
