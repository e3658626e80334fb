import { expect, test } from "bun:test";
import type { RpcEvent } from "../../src/events.ts";
import { Connections } from "../../src/server/connections.ts";
import { Services } from "../../src/service/services.ts";
import { memoryPipe } from "../../src/transport/memory.ts";
import { defaultLimits } from "../../src/wire/limits.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { Peer } from "./set-up.ts";

function setUp(maxFiles: number) {
  const events: RpcEvent[] = [];
  const carried: (() => void)[] = [];
  const connections = new Connections({
    services: new Services(),
    limits: defaultLimits,
    clock: new ManualClock(),
    handleTimeoutMs: 0,
    callTimeoutMs: 0,
    keepAlive: { busyMs: 0, idleMs: 0, timeoutMs: 0 },
    compression: undefined,
    interceptors: [],
    onEvent: (event) => void events.push(event),
    bridge: { carry: (_pipe, _bytes, onGone) => void carried.push(onGone) },
    maxFiles,
    isAccepting: () => true,
  });
  const connect = (first: string) => {
    const [mine, theirs] = memoryPipe();
    const peer = new Peer(mine);
    peer.send(first);
    connections.serve(theirs);
    return peer;
  };
  return { connections, events, carried, connect };
}

test("HTTP, which takes three files a connection, is 503 where they are not there", async () => {
  const { connections, events, carried, connect } = setUp(5);
  const get = "GET /healthz HTTP/1.1\r\n\r\n";
  const first = connect(get);
  await new Promise(setImmediate);
  expect(carried).toHaveLength(1);
  const second = connect(get);
  await second.closed();
  expect(second.text).toStartWith("HTTP/1.1 503 Service Unavailable\r\n");
  expect(second.text).toContain("Connection: close\r\n");
  expect(carried).toHaveLength(1);
  expect(connections.count).toBe(1);
  expect(events).toMatchObject([
    { kind: "peer-refused", error: { code: "resource_exhausted" } },
  ]);
  carried[0]?.();
  connect(get);
  await new Promise(setImmediate);
  expect(carried).toHaveLength(2);
  first.pipe.abort();
});
