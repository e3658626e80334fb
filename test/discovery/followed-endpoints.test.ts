import { expect, test } from "bun:test";
import { FollowedEndpoints } from "../../src/discovery/followed-endpoints.ts";

const full = expect.objectContaining({ code: "resource_exhausted" });
const server = (port: number, services?: readonly string[]) => ({
  address: `tcp@h:${port}`,
  services,
});

test("is what its changes make it, by key", () => {
  const followed = new FollowedEndpoints();
  followed.set("a", server(2));
  followed.set("b", server(1));
  followed.set("a", server(3));
  followed.delete("nobody");
  const before = followed.list();
  expect(before).toEqual([server(1), server(3)]);
  followed.delete("b");
  expect(followed.list()).toEqual([server(3)]);
  expect(before).toHaveLength(2);
});

test("has no more than 65,536 servers", () => {
  const followed = new FollowedEndpoints();
  for (let n = 0; n < 65_536; n++) followed.set(`${n}`, server(1));
  expect(() => followed.set("x", server(1))).toThrow(full);
  followed.set("7", server(2));
  followed.delete("7");
  followed.set("x", server(1));
});

test("has no more than 4 MiB of names, and what has gone takes no room", () => {
  const followed = new FollowedEndpoints();
  const services = ["x".repeat(1024 * 1024 - 1)];
  for (let round = 0; round < 10; round++) {
    for (const key of "abcd") followed.set(key, server(1, services));
    expect(() => followed.set("e", server(1, services))).toThrow(full);
    for (const key of "abcd") followed.delete(key);
  }
});
