import { AsyncLocalStorage } from "node:async_hooks";
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../src/base/clock.ts";
import { RpcError } from "../../src/errors.ts";
import { type Address, parseAddress } from "../../src/transport/address.ts";
import { type DialOptions, dialPipe } from "../../src/transport/dial.ts";
import {
  connectedStatus,
  connectThrough,
  headEnd,
  maxHeadBytes,
} from "../../src/transport/http-connect.ts";
import { type Listener, listenPipes } from "../../src/transport/listen.ts";
import { memoryPipe } from "../../src/transport/memory.ts";
import type { Pipe } from "../../src/transport/pipe.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { PipeEar } from "../support/pipe-ear.ts";

const folder = mkdtempSync(join(tmpdir(), "geerpc-dial-"));
afterAll(() => rmSync(folder, { recursive: true }));

const notConnected = { code: "unavailable", sent: false };

async function dial(
  address: Address,
  options: Partial<DialOptions> = {},
): Promise<Pipe> {
  return dialPipe(address, { timeoutMs: 0, ...options });
}

/** A listener whose connections are heard; `next()` gives them in turn. */
async function acceptor(text = "tcp@127.0.0.1:0") {
  const pipes: { pipe: Pipe; ear: PipeEar }[] = [];
  let told = Promise.withResolvers<void>();
  const listener: Listener = await listenPipes(parseAddress(text), (pipe) => {
    const ear = new PipeEar();
    pipe.attach(ear);
    pipes.push({ pipe, ear });
    told.resolve();
  });
  const next = async () => {
    while (pipes.length === 0) {
      await told.promise;
      told = Promise.withResolvers();
    }
    return pipes.shift() as { pipe: Pipe; ear: PipeEar };
  };
  return { address: parseAddress(listener.address), next, listener };
}

function asHttp(address: Address): Address {
  return { ...address, protocol: "http" } as Address;
}

describe("dialPipe", () => {
  test("refused, no such file, no such host: unavailable, and nothing was sent", async () => {
    const { address, listener } = await acceptor();
    listener.close();
    await expect(dial(address)).rejects.toMatchObject(notConnected);
    await expect(dial(asHttp(address))).rejects.toMatchObject(notConnected);
    const missing = parseAddress(`unix@${folder}/missing.sock`);
    await expect(dial(missing)).rejects.toMatchObject(notConnected);
    const nowhere = parseAddress("tcp@nowhere.invalid:1");
    await expect(dial(nowhere)).rejects.toMatchObject(notConnected);
  });

  test("dialled inside a context, its events come outside of it", async () => {
    const { address, next, listener } = await acceptor();
    const storage = new AsyncLocalStorage<string>();
    const near = new PipeEar();
    const seen: unknown[] = [];
    near.onEvent = () => seen.push(storage.getStore());
    const pipe = await storage.run("inside", async () => {
      const dialled = await dial(address);
      expect(storage.getStore()).toBe("inside");
      return dialled;
    });
    pipe.attach(near);
    const far = await next();
    far.pipe.write(Buffer.from("hello"));
    await near.until(() => near.byteCount === 5);
    far.pipe.abort();
    await near.until(() => near.closes.length > 0);
    expect(seen.length).toBeGreaterThanOrEqual(2);
    expect(seen.filter((store) => store !== undefined)).toEqual([]);
    listener.close();
  });

  test("an abort ends it at once, and the connection that still comes up", async () => {
    const { address, next, listener } = await acceptor();
    const controller = new AbortController();
    const dialled = dial(address, { signal: controller.signal });
    controller.abort("changed my mind");
    await expect(dialled).rejects.toMatchObject({
      code: "cancelled",
      sent: false,
      cause: "changed my mind",
    });
    const { ear } = await next();
    await ear.until(() => ear.closes.length > 0);
    expect(ear.byteCount).toBe(0);
    listener.close();
  });

  test("an abort with an RpcError ends it with that one", async () => {
    const { address, listener } = await acceptor();
    const reason = new RpcError("unavailable", "the client was closed", {
      sent: false,
    });
    const controller = new AbortController();
    const dialled = dial(address, { signal: controller.signal });
    controller.abort(reason);
    expect(await dialled.catch((thrown) => thrown)).toBe(reason);
    listener.close();
  });

  test("a timeout does so, too", async () => {
    const { address, next, listener } = await acceptor();
    let ring = (): void => {};
    const clock: Clock = {
      now: () => 0,
      after(delayMs, run) {
        expect(delayMs).toBe(500);
        ring = run;
        const timer = { cancel() {}, unref: () => timer };
        return timer;
      },
    };
    const dialled = dial(address, { timeoutMs: 500, clock });
    ring();
    await expect(dialled).rejects.toMatchObject(notConnected);
    const { ear } = await next();
    await ear.until(() => ear.closes.length > 0);
    listener.close();
  });

  test("an abort that came before costs nobody a connection", async () => {
    const { address, next, listener } = await acceptor();
    const signal = AbortSignal.abort();
    await expect(dial(address, { signal })).rejects.toMatchObject({
      code: "cancelled",
    });
    // The next connection is the first.
    const pipe = await dial(address);
    pipe.write(Buffer.from("first"));
    const { ear } = await next();
    await ear.until(() => ear.byteCount === 5);
    pipe.abort();
    listener.close();
  });

  test("once it is open neither the time nor the signal end it, and no timer is left", async () => {
    const { address, next, listener } = await acceptor();
    const clock = new ManualClock();
    const controller = new AbortController();
    const { signal } = controller;
    const pipe = await dial(address, { timeoutMs: 500, clock, signal });
    expect(clock.timers).toBe(0);
    controller.abort();
    pipe.write(Buffer.from("alive"));
    const { ear } = await next();
    await ear.until(() => ear.byteCount === 5);
    pipe.abort();
    listener.close();
  });
});

describe("dialPipe through CONNECT", () => {
  /** Dials; `answer` is what the server says once it has the request's head. */
  async function connectTo(answer: (pipe: Pipe) => void): Promise<Pipe> {
    const { address, next, listener } = await acceptor();
    const dialled = dial(asHttp(address));
    const { pipe, ear } = await next();
    await ear.until(() => headEnd(ear.bytes) !== undefined);
    answer(pipe);
    try {
      return await dialled;
    } finally {
      listener.close();
    }
  }

  test("asks by the original's path, and is open after its 200", async () => {
    const { address, next, listener } = await acceptor();
    const dialled = dial(asHttp(address));
    const { pipe: far, ear } = await next();
    await ear.until(() => headEnd(ear.bytes) !== undefined);
    const [requestLine, host] = ear.bytes.toString().split("\r\n");
    expect(requestLine).toBe("CONNECT /_geeprc_ HTTP/1.1");
    expect(host).toBe(`Host: 127.0.0.1:${(address as { port: number }).port}`);
    far.write(Buffer.from("HTTP/1.0 200 Connected to Gee RPC\n\n"));
    const near = await dialled;
    near.write(Buffer.from("after"));
    const { byteCount } = ear;
    await ear.until(() => ear.byteCount > byteCount);
    expect(ear.bytes.subarray(byteCount).toString()).toBe("after");
    near.abort();
    listener.close();
  });

  test("takes bytes behind the head as the stream's first", async () => {
    const near = await connectTo((pipe) =>
      pipe.write(Buffer.from(`HTTP/1.0 ${connectedStatus}\n\nbehind`)),
    );
    const nearEar = new PipeEar();
    near.attach(nearEar);
    await nearEar.until(() => nearEar.byteCount === 6);
    expect(nearEar.bytes.toString()).toBe("behind");
    near.abort();
  });

  test("another answer, an end or a reset instead of one: unavailable", async () => {
    const answers: ((pipe: Pipe) => void)[] = [
      (pipe) => pipe.write(Buffer.from("HTTP/1.1 403 Forbidden\r\n\r\n")),
      (pipe) => pipe.shutdown(),
      (pipe) => pipe.abort(),
    ];
    for (const answer of answers) {
      await expect(connectTo(answer)).rejects.toMatchObject(notConnected);
    }
  });

  test("a server that accepts and says nothing is given up in time", async () => {
    const { address, next, listener } = await acceptor();
    const clock = new ManualClock();
    const dialled = dial(asHttp(address), { timeoutMs: 500, clock });
    const { ear } = await next();
    await ear.until(() => ear.byteCount > 0);
    const outcome = dialled.then(
      () => "open",
      (thrown) => thrown,
    );
    await clock.advance(499);
    expect(ear.closes).toEqual([]);
    await clock.advance(1);
    expect(await outcome).toMatchObject(notConnected);
    await ear.until(() => ear.closes.length > 0);
    listener.close();
  });
});

describe("connectThrough", () => {
  function setUp() {
    const [near, far] = memoryPipe();
    const farEar = new PipeEar();
    far.attach(farEar);
    const connected = connectThrough(near, "h", 1);
    return { near, far, farEar, connected };
  }

  const good = [
    "HTTP/1.0 200 Connected to Gee RPC\n\n",
    "HTTP/1.1 200 Connected to Gee RPC\r\nServer: x\r\n\r\n",
  ];
  for (const head of good) {
    test(`accepts ${JSON.stringify(head)}, a byte at a time`, async () => {
      const { near, far, connected } = setUp();
      for (const byte of Buffer.from(head)) far.write(Buffer.of(byte));
      await connected;
      const ear = new PipeEar();
      near.attach(ear);
      far.write(Buffer.from("on"));
      await ear.until(() => ear.byteCount === 2);
      expect(ear.bytes.toString()).toBe("on");
    });
  }

  const bad = [
    "HTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.0 200 Connected to Go RPC\n\n",
    "HTTP/1.1 200 Connected to Gee RPC and more\r\n\r\n",
    "HTTP/2 200 Connected to Gee RPC\r\n\r\n",
    "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
    '{"Error":"no"}\n\n',
    "\n\n",
  ];
  for (const head of bad) {
    test(`refuses ${JSON.stringify(head)}, quotes it and ends the pipe`, async () => {
      const { far, farEar, connected } = setUp();
      far.write(Buffer.from(head));
      const error = await connected.catch((thrown) => thrown);
      expect(error).toBeInstanceOf(RpcError);
      expect(error).toMatchObject(notConnected);
      const [firstLine] = head.split(/\r?\n/, 1);
      expect(error.message).toContain(JSON.stringify(firstLine));
      await farEar.until(() => farEar.closes.length > 0);
    });
  }

  test("reads no head without an end", async () => {
    const { far, farEar, connected } = setUp();
    const line = Buffer.from("X-Filler: and so on\r\n");
    far.write(Buffer.from(`HTTP/1.1 ${connectedStatus}\r\n`));
    for (let sent = 0; sent <= maxHeadBytes; sent += line.length) {
      far.write(line);
    }
    await expect(connected).rejects.toMatchObject(notConnected);
    await farEar.until(() => farEar.closes.length > 0);
  });

  test("quotes no more than a line's worth of a stranger's answer", async () => {
    const { far, connected } = setUp();
    far.write(Buffer.from(`${"z".repeat(maxHeadBytes + 1)}`));
    const error = await connected.catch((thrown) => thrown);
    expect(error.message.length).toBeLessThan(400);
  });
});

test("headEnd finds the empty line, with CRLF or bare LF", () => {
  const ends: [string, number | undefined][] = [
    ["", undefined],
    ["A\n", undefined],
    ["A\n\n", 3],
    ["A\r\n\r\n", 5],
    ["A\r\n\r", undefined],
    ["A\nB\n\nrest", 5],
    ["A\r\nB: c\r\n\r\nrest", 11],
    ["\n\n", 2],
  ];
  for (const [text, end] of ends) {
    expect(headEnd(Buffer.from(text))).toBe(end as number);
  }
});
