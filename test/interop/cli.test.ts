import { beforeAll, describe, expect, test } from "bun:test";
import { run } from "../../src/cli/root.ts";
import { FakeIo } from "../support/fake-io.ts";
import { buildTimeoutMs, goProgram, isSkipped, serveGo } from "./go-peer.ts";

// `geerpc client` against servers in Go.

async function client(...args: string[]) {
  const io = new FakeIo();
  const code = await run(["client", ...args], io);
  const out = io.stdout.lines.map((line) => JSON.parse(line) as unknown);
  return { code, out, stderr: io.stderr.text };
}

describe.skipIf(isSkipped)("geerpc client", () => {
  beforeAll(async () => {
    await goProgram("peer");
  }, buildTimeoutMs);

  test("--list reads net/rpc's page", async () => {
    await using server = await serveGo("serve-netrpc");
    const { code, out } = await client("--list", "--server", server.http);
    expect(code).toBe(0);
    const [{ services }] = out as [{ services: Record<string, string[]> }];
    expect(services["Foo"]).toContain("Sum");
    expect(services["Foo"]).toEqual(services["Foo"]?.toSorted());
    const plain = await client("--list", "--server", server.listening);
    expect(plain.code).toBe(1);
    expect(JSON.parse(plain.stderr)).toMatchObject({ code: "unimplemented" });
  });

  test.each(["serve-netrpc", "serve-geerpc"])(
    "--gob says what a value does not, to %s",
    async (command) => {
      await using server = await serveGo(command);
      const codec = command === "serve-geerpc" ? ["--codec", "gob"] : [];
      const at = ["--server", server.listening, ...codec];
      // Whole numbers are ints, which Go does not take for float64.
      const refused = await client("Foo.Avg", "[2,4]", ...at);
      expect(refused).toMatchObject({ code: 1, out: [] });
      const declared = ["--gob", "[]float64"];
      expect(await client("Foo.Avg", "[2,4]", ...declared, ...at)).toEqual({
        code: 0,
        out: [3],
        stderr: "",
      });
      const args = '{"Num1":1,"Num2":2}';
      const struct = ["--gob", "Num1:int,Num2:int"];
      expect((await client("Foo.Sum", args, ...struct, ...at)).out).toEqual([
        3,
      ]);
    },
  );
});
