import { expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import { Invocation } from "../../src/service/invocation.ts";
import { silentPeer } from "../../src/service/silent-peer.ts";

function invocation(): Invocation {
  return new Invocation(1, "Foo.sum", undefined, 0, false, silentPeer("here"));
}

const reason = new RpcError("cancelled", "no longer wanted");

test("the signal is the same whenever it is looked at", () => {
  const call = invocation();
  const { signal } = call;
  expect(call.signal).toBe(signal);
  expect(signal.aborted).toBe(false);
});

test("a signal that was looked at aborts with the reason", () => {
  const call = invocation();
  const { signal } = call;
  let told: unknown;
  signal.addEventListener("abort", () => {
    told = signal.reason;
  });
  call.abort(reason);
  expect(told).toBe(reason);
});

test("one that is looked at afterwards is aborted already", () => {
  const call = invocation();
  call.abort(reason);
  expect(call.signal.aborted).toBe(true);
  expect(call.signal.reason).toBe(reason);
});

test("the first reason counts", () => {
  const [early, late] = [invocation(), invocation()];
  void early.signal;
  for (const call of [early, late]) {
    call.abort(reason);
    call.abort(new RpcError("unavailable", "gone"));
    expect(call.signal.reason).toBe(reason);
  }
});

test("metadata where there is none is an empty map of its own", () => {
  const [one, other] = [invocation(), invocation()];
  (one.metadata as Map<string, string>).set("key", "one's");
  expect(one.metadata.get("key")).toBe("one's");
  expect(other.metadata.size).toBe(0);
  const given = new Map([["key", "given"]]);
  other.metadata = given;
  expect(other.metadata).toBe(given);
});

test("metadata of the answer is taken once, and the map goes on", () => {
  const call = invocation();
  expect(call.takeResponseMetadata()).toBeUndefined();
  const held = call.responseMetadata;
  held.set("first", "1");
  const taken = call.takeResponseMetadata();
  held.set("second", "2");
  expect(taken).toEqual(new Map([["first", "1"]]));
  expect(call.takeResponseMetadata()).toEqual(new Map([["second", "2"]]));
  expect(call.takeResponseMetadata()).toBeUndefined();
});
