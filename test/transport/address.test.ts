import { describe, expect, test } from "bun:test";
import {
  type Address,
  formatAddress,
  formatHostPort,
  isWildcardHost,
  parseAddress,
  parseHostPort,
} from "../../src/transport/address.ts";

const wellFormed: [text: string, address: Address, canonical?: string][] = [
  ["tcp@127.0.0.1:9999", { protocol: "tcp", host: "127.0.0.1", port: 9999 }],
  [
    "127.0.0.1:9999",
    { protocol: "tcp", host: "127.0.0.1", port: 9999 },
    "tcp@127.0.0.1:9999",
  ],
  ["tcp@[::1]:80", { protocol: "tcp", host: "::1", port: 80 }],
  ["tcp@[::]:0", { protocol: "tcp", host: "::", port: 0 }],
  ["tcp@:80", { protocol: "tcp", host: "", port: 80 }],
  [
    "http@api.example.com:65535",
    { protocol: "http", host: "api.example.com", port: 65535 },
  ],
  ["tcp@h:00080", { protocol: "tcp", host: "h", port: 80 }, "tcp@h:80"],
  ["unix@/run/a:b.sock", { protocol: "unix", path: "/run/a:b.sock" }],
];

describe("parseAddress", () => {
  for (const [text, address, canonical = text] of wellFormed) {
    test(`reads ${text}`, () => {
      expect(parseAddress(text)).toEqual(address);
      expect(formatAddress(address)).toBe(canonical);
    });
  }

  const illFormed = [
    "",
    "tcp@",
    "tcp@host",
    "tcp@host:",
    "tcp@host:65536",
    "tcp@host:123456",
    "tcp@host:-1",
    "tcp@host:8x",
    "tcp@::1:80",
    "tcp@[::1]80",
    "tcp@[zz]:80",
    "tcp@a@b:80",
    "unix@",
    "tcp@host:80,tcp@host:81",
    "tcp@host:80\n",
    "tcp@ host:80",
    "udp@host:80",
    "@host:80",
    "TCP@host:80",
    "tcp@host/path:80",
    "http://host:80",
  ];
  for (const text of illFormed) {
    test(`refuses ${JSON.stringify(text)}`, () => {
      expect(() => parseAddress(text)).toThrow(
        expect.objectContaining({ code: "invalid_argument" }),
      );
    });
  }
});

test("parseHostPort reads a host and a port, and nothing more", () => {
  expect(parseHostPort("[::1]:9999")).toEqual({ host: "::1", port: 9999 });
  expect(parseHostPort(":0")).toEqual({ host: "", port: 0 });
  expect(() => parseHostPort("9999")).toThrow(
    expect.objectContaining({ code: "invalid_argument" }),
  );
});

test("formatHostPort puts IPv6 in brackets", () => {
  expect(formatHostPort("::1", 80)).toBe("[::1]:80");
  expect(formatHostPort("h", 80)).toBe("h:80");
});

test("the wildcard hosts", () => {
  for (const host of ["", "0.0.0.0", "::"]) {
    expect(isWildcardHost(host)).toBe(true);
  }
  for (const host of ["127.0.0.1", "::1", "localhost", "0.0.0.1"]) {
    expect(isWildcardHost(host)).toBe(false);
  }
});
