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
