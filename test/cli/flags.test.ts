import { describe, expect, test } from "bun:test";
import {
  eitherOf,
  flag,
  flagName,
  parseFlags,
  toggle,
  variableName,
} from "../../src/cli/flags.ts";
import {
  addresses,
  duration,
  registryUrls,
  text,
  wholeNumber,
} from "../../src/cli/kinds.ts";
import { editDistance, suggest } from "../../src/cli/suggest.ts";
import { UsageError } from "../../src/cli/usage-error.ts";

const table = {
  server: flag(addresses, "servers"),
  registry: flag(registryUrls, "registries"),
  connectTimeout: flag(duration, "a duration", "10s"),
  count: flag(wholeNumber(1), "a number"),
  name: flag(text, "a text"),
  list: toggle("on or off"),
};

function parse(
  args: readonly string[],
  env: Record<string, string | undefined> = {},
) {
  return parseFlags(table, args, env);
}

/** What parsing throws, as one line. */
function refusal(
  args: readonly string[],
  env: Record<string, string | undefined> = {},
): string {
  try {
    parse(args, env);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(UsageError);
    const { message } = thrown as Error;
    expect(message).not.toContain("\n");
    return message;
  }
  throw new Error(`${args.join(" ")} was taken`);
}

test("names in the table, on the command line and in the environment", () => {
  expect(flagName("connectTimeout")).toBe("connect-timeout");
  expect(variableName("connectTimeout")).toBe("GEERPC_CONNECT_TIMEOUT");
});

describe("what is taken", () => {
  test("nothing at all: the defaults", () => {
    const { values, sources, rest } = parse([]);
    expect(values).toEqual({
      server: undefined,
      registry: undefined,
      connectTimeout: 10_000,
      count: undefined,
      name: undefined,
      list: false,
    });
    expect(sources.size).toBe(0);
    expect(rest).toEqual([]);
  });

  test.each([
    { args: ["--connect-timeout", "1s"], has: { connectTimeout: 1_000 } },
    { args: ["--connect-timeout=1s"], has: { connectTimeout: 1_000 } },
    { args: ["--name=a=b"], has: { name: "a=b" } },
    { args: ["--name=--list"], has: { name: "--list", list: false } },
    { args: ["--name", "-"], has: { name: "-" } },
    { args: ["--list"], has: { list: true } },
    { args: ["--list=false"], has: { list: false } },
    { args: ["--no-list"], has: { list: false } },
    { args: ["--server", "a:1"], has: { server: ["tcp@a:1"] } },
    {
      args: ["--server", "a:1", "--server=b:2,c:3"],
      has: { server: ["tcp@a:1", "tcp@b:2", "tcp@c:3"] },
    },
  ])("$args", ({ args, has }) => {
    expect(parse(args).values).toMatchObject(has);
  });

  test("what is no flag, wherever it stands", () => {
    const { rest, values } = parse([
      "Foo.Echo",
      "--list",
      "-5",
      "-",
      "--",
      "--x",
      "-y",
    ]);
    expect(rest).toEqual(["Foo.Echo", "-5", "-", "--x", "-y"]);
    expect(values.list).toBe(true);
  });
});

describe("the environment", () => {
  test("is the twin of each flag, a toggle's too", () => {
    const { values, sources } = parse([], {
      GEERPC_CONNECT_TIMEOUT: "3s",
      GEERPC_LIST: "1",
      GEERPC_SERVER: "a:1,b:2",
    });
    expect(values).toMatchObject({
      connectTimeout: 3_000,
      list: true,
      server: ["tcp@a:1", "tcp@b:2"],
    });
    expect(sources.get("server")).toBe("environment");
  });

  test("is beaten by the flag, also where it is nonsense", () => {
    const env = { GEERPC_CONNECT_TIMEOUT: "soon" };
    const { values, sources } = parse(["--connect-timeout=2s"], env);
    expect(values.connectTimeout).toBe(2_000);
    expect(sources.get("connectTimeout")).toBe("flag");
    expect(refusal([], env)).toContain("GEERPC_CONNECT_TIMEOUT");
  });

  test("an empty variable is none", () => {
    expect(
      parse([], { GEERPC_NAME: "", GEERPC_LIST: "" }).values,
    ).toMatchObject({
      name: undefined,
      list: false,
    });
  });
});

describe("what is refused, with what to write instead", () => {
  test.each([
    { args: ["--conect-timeout", "1s"], meant: "--connect-timeout" },
    { args: ["--connectTimeout", "1s"], meant: "--connect-timeout" },
    { args: ["--ilst"], meant: "--list" },
    { args: ["-list"], meant: "--list" },
    { args: ["--hlep"], meant: "--help" },
    { args: ["--nothing-like-it"], meant: "--connect-timeout, --count" },
    { args: ["-x"], meant: "--server" },
    { args: ["--no-name"], meant: "--name" },
    { args: ["--count"], meant: "--count <number>" },
    { args: ["--count="], meant: "--count <number>" },
    { args: ["--count", "--list"], meant: "--count <number>" },
    { args: ["--count", "many"], meant: "--count=many" },
    { args: ["--count", "-1"], meant: "--count=-1" },
    { args: ["--connect-timeout", "5"], meant: "5s" },
    { args: ["--list=perhaps"], meant: "true or false" },
    { args: ["--no-list=true"], meant: "--no-list" },
    { args: ["--name=a", "--name=b"], meant: "once" },
  ])("$args", ({ args, meant }) => {
    expect(refusal(args)).toContain(meant);
  });

  test("whatever it is, the message is one harmless line", () => {
    expect(refusal(["--\u001b[31m\nx"])).not.toMatch(/[\u0000-\u001f]/);
    expect(refusal(["--count=\u001b]0;x\u0007"])).not.toMatch(
      /[\u0000-\u001f]/,
    );
  });
});

describe("two flags that exclude each other", () => {
  const server = ["--server", "a:1"];
  const registry = ["--registry", "http://a:1"];
  const env = { GEERPC_REGISTRY: "http://a:1" };

  test.each([
    { args: [], env: {}, either: undefined },
    { args: server, env: {}, either: "server" },
    { args: registry, env: {}, either: "registry" },
    { args: [], env, either: "registry" },
    { args: server, env, either: "server" },
    { args: registry, env: { GEERPC_SERVER: "a:1" }, either: "registry" },
  ])("$args $env", ({ args, env, either }) => {
    expect(eitherOf(parse(args, env), "server", "registry")).toBe(either);
  });

  test("from the same source are refused", () => {
    const flags = parse([...server, ...registry]);
    expect(() => eitherOf(flags, "server", "registry")).toThrow(UsageError);
    const variables = parse([], { ...env, GEERPC_SERVER: "a:1" });
    expect(() => eitherOf(variables, "server", "registry")).toThrow(UsageError);
  });
});

describe("what was probably meant", () => {
  test.each([
    ["", "", 0],
    ["", "abc", 3],
    ["abc", "abc", 0],
    ["abc", "acb", 1],
    ["kitten", "sitting", 3],
    ["ca", "abc", 3],
  ])("%p to %p takes %p steps", (from, to, steps) => {
    expect(editDistance(from, to)).toBe(steps);
    expect(editDistance(to, from)).toBe(steps);
  });

  test("is the nearest one, if any is near", () => {
    const candidates = ["registry", "server", "client", "bench", "demo"];
    expect(suggest("sever", candidates)).toBe("server");
    expect(suggest("registery", candidates)).toBe("registry");
    expect(suggest("DEMO", candidates)).toBe("demo");
    expect(suggest("frobnicate", candidates)).toBeUndefined();
    expect(suggest("x", [])).toBeUndefined();
  });
});
