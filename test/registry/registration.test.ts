import { describe, expect, test } from "bun:test";
import {
  maxTtlMs,
  readAddress,
  readTtlMs,
} from "../../src/registry/registration.ts";

const invalid = expect.objectContaining({ code: "invalid_argument" });

describe("readAddress", () => {
  const wellFormed: [text: string, remoteHost?: string, address?: string][] = [
    ["tcp@10.0.0.1:4000"],
    ["http@h:4000"],
    ["unix@/run/s.sock"],
    ["tcp@[::1]:4000"],
    ["10.0.0.1:04000", undefined, "tcp@10.0.0.1:4000"],
    ["tcp@10.0.0.1:4000", "10.9.9.9", "tcp@10.0.0.1:4000"],
    ["tcp@0.0.0.0:4000", "10.0.0.7", "tcp@10.0.0.7:4000"],
    ["tcp@[::]:4000", "10.0.0.7", "tcp@10.0.0.7:4000"],
    ["tcp@:4000", "10.0.0.7", "tcp@10.0.0.7:4000"],
    ["http@:4000", "::1", "http@[::1]:4000"],
    ["tcp@:4000", "::ffff:10.0.0.7", "tcp@10.0.0.7:4000"],
    ["tcp@:4000", "::FFFF:10.0.0.7", "tcp@10.0.0.7:4000"],
  ];
  for (const [text, remoteHost, address = text] of wellFormed) {
    test(`${text} from ${remoteHost ?? "somewhere"} is ${address}`, () => {
      expect(readAddress(text, remoteHost)).toBe(address);
    });
  }

  const refused: [text: string, remoteHost?: string][] = [
    [""],
    ["tcp@10.0.0.1:0"],
    ["tcp@h:1,tcp@h:2"],
    ["tcp@h:1\r\nX-Evil: 1"],
    ["tcp@h :1"],
    ["quic@h:1"],
    ["tcp@h"],
    ["tcp@hôte:1"],
    ["unix@/run/\u0001"],
    [`tcp@${"h".repeat(300)}:1`],
    // Wildcards of which nobody knows where they came from, or uselessly well.
    ["tcp@:4000"],
    ["tcp@:4000", "0.0.0.0"],
    ["tcp@:4000", "fe80::1%eth0"],
  ];
  for (const [text, remoteHost] of refused) {
    test(`refuses ${JSON.stringify(text.slice(0, 40))} from ${remoteHost}`, () => {
      expect(() => readAddress(text, remoteHost)).toThrow(invalid);
    });
  }
});

describe("readTtlMs", () => {
  test("seconds become ms, no header is none", () => {
    expect(readTtlMs(null)).toBeUndefined();
    expect(readTtlMs("15")).toBe(15_000);
    expect(readTtlMs("0")).toBe(0);
    expect(readTtlMs("0.5")).toBe(500);
    expect(readTtlMs(String(maxTtlMs / 1000))).toBe(maxTtlMs);
  });

  test("a tiny one is not for ever", () => {
    expect(readTtlMs("0.0000001")).toBeGreaterThan(0);
  });

  for (const text of [
    "",
    "-1",
    "1e3",
    "0x10",
    "5s",
    "NaN",
    "Infinity",
    "1,5",
    " 5",
    "2592001",
    "9".repeat(400),
  ]) {
    test(`refuses ${JSON.stringify(text.slice(0, 20))}`, () => {
      expect(() => readTtlMs(text)).toThrow(invalid);
    });
  }
});
