import { describe, expect, test } from "bun:test";
import { codecType } from "../../src/cli/codec-kind.ts";
import {
  address,
  addresses,
  choice,
  duration,
  httpAddress,
  type Kind,
  registryUrls,
  servers,
  size,
  someDuration,
  wholeNumber,
} from "../../src/cli/kinds.ts";
import { labels, weight, word } from "../../src/cli/description-kinds.ts";
import { UsageError } from "../../src/cli/usage-error.ts";

interface Row {
  name: string;
  kind: Kind<unknown>;
  good: [string, unknown][];
  bad: string[];
}

const rows: Row[] = [
  {
    name: "someDuration",
    kind: someDuration,
    good: [
      ["1ms", 1],
      ["5s", 5_000],
    ],
    bad: ["0", "0s", "5", "-5s"],
  },
  {
    name: "duration",
    kind: duration,
    good: [
      ["0", 0],
      ["0s", 0],
      ["500ms", 500],
      ["5s", 5_000],
      ["1.5s", 1_500],
      ["2m", 120_000],
      ["1h", 3_600_000],
    ],
    bad: [
      "5",
      "-5s",
      "5 s",
      "s",
      "5d",
      "1e3s",
      "NaN",
      "Infinity",
      "9".repeat(400) + "s",
    ],
  },
  {
    name: "size",
    kind: size,
    good: [
      ["1B", 1],
      ["64KiB", 65_536],
      ["4MiB", 4_194_304],
      ["1GiB", 2 ** 30],
    ],
    bad: ["0B", "64", "64kb", "64KB", "1.5MiB", "-1B", "9".repeat(30) + "GiB"],
  },
  {
    name: "a whole number from 1 to 10",
    kind: wholeNumber(1, 10),
    good: [
      ["1", 1],
      ["10", 10],
    ],
    bad: ["0", "11", "1.5", "-1", "1e1", "0x5", "", "ten"],
  },
  {
    name: "address",
    kind: address,
    good: [
      ["127.0.0.1:80", "tcp@127.0.0.1:80"],
      ["http@[::1]:80", "http@[::1]:80"],
      ["unix@/run/a.sock", "unix@/run/a.sock"],
      [":80", "tcp@:80"],
    ],
    bad: ["80", "localhost", "smtp@a:1", "tcp@a:70000", "a:1,b:2", "unix@"],
  },
  {
    name: "addresses",
    kind: addresses,
    good: [
      ["a:1", ["tcp@a:1"]],
      ["a:1, unix@/b ,", ["tcp@a:1", "unix@/b"]],
    ],
    bad: [",", "a:1,b"],
  },
  {
    name: "servers, or who tells them",
    kind: servers,
    good: [
      ["a:1, unix@/b", ["tcp@a:1", "unix@/b"]],
      ["dns://a:1", ["dns://a:1"]],
      ["dns://a.svc", ["dns://a.svc"]],
      ["file:servers", ["file:servers"]],
      ["file:///etc/servers", ["file:///etc/servers"]],
      ["etcd://a:1,b:2/p", ["etcd://a:1,b:2/p"]],
    ],
    bad: [
      ",",
      "http://a:1",
      "a:1,http://a:1",
      "dns://",
      "dns://a:1,dns://b:1",
      "a:1,dns://b:1",
      "file:",
      "file://elsewhere/servers",
      "etcd:a",
    ],
  },
  {
    name: "a version",
    kind: word("version"),
    good: [["1.2-rc 3", "1.2-rc 3"]],
    bad: ["x".repeat(65), "a\nb"],
  },
  {
    name: "a weight",
    kind: weight,
    good: [
      ["2", 2],
      [".5", 0.5],
      ["1000", 1_000],
    ],
    bad: ["0", "0.0", "-1", "1001", "1e2", "two", "NaN", "."],
  },
  {
    name: "labels",
    kind: labels,
    good: [
      ["rack=7", { rack: "7" }],
      ["a=b=c,d\ne=", { a: "b=c,d", e: "" }],
    ],
    bad: ["rack", "=7", "a b=7", "a=1\na=2", `a=${"x".repeat(257)}`],
  },
  {
    name: "where HTTP listens",
    kind: httpAddress,
    good: [
      ["127.0.0.1:0", "127.0.0.1:0"],
      ["http@127.0.0.1:9999", "127.0.0.1:9999"],
      ["[::1]:1", "[::1]:1"],
    ],
    bad: ["tcp@127.0.0.1:1", "http://127.0.0.1:1", "9999", "unix@/a"],
  },
  {
    name: "registries",
    kind: registryUrls,
    good: [
      ["http://a:1", ["http://a:1/_geerpc_/registry"]],
      [
        "http://a:1/x,https://b/",
        ["http://a:1/x", "https://b/_geerpc_/registry"],
      ],
    ],
    bad: ["a:1", "tcp@a:1", "http://", "http://u:p@a:1", ","],
  },
  {
    name: "a choice",
    kind: choice(["text", "json"]),
    good: [["json", "json"]],
    bad: ["JSON", "xml", ""],
  },
  {
    name: "codec",
    kind: codecType,
    good: [
      ["binary", "application/x-geerpc"],
      ["json", "application/json"],
      ["application/json", "application/json"],
    ],
    bad: ["Json", "application/xml", ""],
  },
];

describe.each(rows)("$name", ({ kind, good, bad }) => {
  for (const [text, value] of good) {
    test(`takes ${JSON.stringify(text)}`, () => {
      expect(kind.parse(text)).toEqual(value);
    });
  }
  for (const text of bad) {
    test(`refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
      expect(() => kind.parse(text)).toThrow(UsageError);
    });
  }
});
