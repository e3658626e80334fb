import { AsyncLocalStorage } from "node:async_hooks";
import { afterAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  linkSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAddress } from "../../src/transport/address.ts";
import { dialPipe } from "../../src/transport/dial.ts";
import { listenPipes } from "../../src/transport/listen.ts";
import type { Pipe } from "../../src/transport/pipe.ts";
import { PipeEar } from "../support/pipe-ear.ts";

const folder = mkdtempSync(join(tmpdir(), "geerpc-listen-"));
afterAll(() => rmSync(folder, { recursive: true }));

const unavailable = { code: "unavailable" };

function listen(text: string, onPipe: (pipe: Pipe) => void = () => {}) {
  return listenPipes(parseAddress(text), onPipe);
}

/** Dials and says so; the listener's end is what comes out. */
async function reach(text: string, accepted: Promise<Pipe>): Promise<Pipe> {
  const near = await dialPipe(parseAddress(text), { timeoutMs: 0 });
  near.write(Buffer.from("hello"));
  const far = await accepted;
  const ear = new PipeEar();
  far.attach(ear);
  await ear.until(() => ear.byteCount === 5);
  near.abort();
  return far;
}

for (const protocol of ["tcp", "http"]) {
  test(`${protocol}@ with port 0 takes a free port and says which`, async () => {
    const { promise, resolve } = Promise.withResolvers<Pipe>();
    const listener = await listen(`${protocol}@127.0.0.1:0`, resolve);
    const { protocol: told, port } = parseAddress(listener.address) as {
      protocol: string;
      port: number;
    };
    expect(told).toBe(protocol);
    expect(port).toBeGreaterThan(0);
    const far = await reach(`tcp@127.0.0.1:${port}`, promise);
    expect(parseAddress(far.peer)).toMatchObject({ host: "127.0.0.1" });
    listener.close();
  });
}

test("without a host it listens on every interface", async () => {
  const { promise, resolve } = Promise.withResolvers<Pipe>();
  const listener = await listen("tcp@:0", resolve);
  const { host, port } = parseAddress(listener.address) as {
    host: string;
    port: number;
  };
  expect(host).toBe("0.0.0.0");
  await reach(`tcp@127.0.0.1:${port}`, promise);
  listener.close();
});

for (const at of ["tcp@127.0.0.1:0", `unix@${folder}/context.sock`]) {
  test(`${at}, listened on inside a context: connections come outside of it`, async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const ear = new PipeEar();
    ear.onEvent = () => seen.push(storage.getStore());
    const listener = await storage.run("inside", () =>
      listen(at, (pipe) => {
        seen.push(storage.getStore());
        pipe.attach(ear);
      }),
    );
    const address = parseAddress(listener.address);
    const near = await dialPipe(address, { timeoutMs: 0 });
    near.write(Buffer.from("hello"));
    await ear.until(() => ear.byteCount === 5);
    near.abort();
    await ear.until(() => ear.closes.length > 0);
    expect(seen.length).toBeGreaterThanOrEqual(3);
    expect(seen.filter((store) => store !== undefined)).toEqual([]);
    listener.close();
  });
}

test("a port in use is unavailable, and is left alone", async () => {
  const { promise, resolve } = Promise.withResolvers<Pipe>();
  const listener = await listen("tcp@127.0.0.1:0", resolve);
  expect(listen(listener.address)).rejects.toMatchObject(unavailable);
  await reach(listener.address, promise);
  listener.close();
});

test("close accepts no more; connections that are there stay", async () => {
  const { promise, resolve } = Promise.withResolvers<Pipe>();
  const listener = await listen("tcp@127.0.0.1:0", resolve);
  const address = parseAddress(listener.address);
  const near = await dialPipe(address, { timeoutMs: 0 });
  const far = await promise;
  listener.close();
  expect(dialPipe(address, { timeoutMs: 0 })).rejects.toMatchObject({
    code: "unavailable",
    sent: false,
  });
  const ear = new PipeEar();
  near.attach(ear);
  far.write(Buffer.from("still here"));
  await ear.until(() => ear.byteCount === 10);
  near.abort();
});

test.skipIf(process.platform !== "linux")(
  "the kernel asks after 30 s of silence whether a peer is there, at both ends",
  async () => {
    const { promise, resolve } = Promise.withResolvers<Pipe>();
    const listener = await listen("tcp@127.0.0.1:0", resolve);
    const address = parseAddress(listener.address) as { port: number };
    const near = await dialPipe(parseAddress(listener.address), {
      timeoutMs: 0,
    });
    const far = await promise;
    const port = address.port.toString(16).toUpperCase().padStart(4, "0");
    const established = readFileSync("/proc/net/tcp", "utf8")
      .split("\n")
      .filter((line) => line.includes(`:${port} `))
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state]) => state === "01");
    // The timer's kind, 02 for keepalive, and what is left of it in 10 ms.
    const timers = established.map(([, , , , , timer = ""]) =>
      timer.split(":"),
    );
    expect(timers.map(([kind]) => kind)).toEqual(["02", "02"]);
    for (const [, left = ""] of timers) {
      expect(parseInt(left, 16) / 100).toBeWithin(25, 30.1);
    }
    near.abort();
    far.attach(new PipeEar());
    listener.close();
  },
);

describe("a unix socket", () => {
  test("is reached by its path", async () => {
    const { promise, resolve } = Promise.withResolvers<Pipe>();
    const address = `unix@${folder}/plain.sock`;
    const listener = await listen(address, resolve);
    expect(listener.address).toBe(address);
    expect((await reach(address, promise)).peer).toBe(address);
    listener.close();
  });

  test("whose file was left behind is replaced", async () => {
    const path = `${folder}/stale.sock`;
    const dead = await listen(`unix@${folder}/dead.sock`);
    // Closing unlinks the one name; under the other, nobody listens.
    linkSync(`${folder}/dead.sock`, path);
    dead.close();
    expect(existsSync(path)).toBe(true);
    const { promise, resolve } = Promise.withResolvers<Pipe>();
    const listener = await listen(`unix@${path}`, resolve);
    await reach(`unix@${path}`, promise);
    listener.close();
  });

  test("where somebody listens is refused, and is left alone", async () => {
    const ears: PipeEar[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const address = `unix@${folder}/live.sock`;
    const listener = await listen(address, (pipe) => {
      const ear = new PipeEar();
      pipe.attach(ear);
      if (ears.push(ear) === 2) resolve();
    });
    await expect(listen(address)).rejects.toMatchObject(unavailable);
    const near = await dialPipe(parseAddress(address), { timeoutMs: 0 });
    await promise;
    // The first one came to see whether somebody listens, and went again.
    const [probe] = ears as [PipeEar];
    await probe.until(() => probe.ends + probe.closes.length > 0);
    near.abort();
    listener.close();
  });

  // Bun tells a full backlog as it does a listener that is gone.
  test.skipIf(process.platform !== "linux")(
    "where somebody listens who is busy is left alone",
    async () => {
      const address = `unix@${folder}/busy.sock`;
      const path = `${folder}/busy.sock`;
      const listener = await listen(address, (pipe) => pipe.abort());
      // All in one turn: nothing is accepted meanwhile.
      const dials = Array.from({ length: 700 }, () =>
        Bun.connect({ unix: path, socket: { data() {} } }).then(
          (socket) => socket.terminate(),
          () => "refused",
        ),
      );
      const second = listen(address).catch((thrown: unknown) => thrown);
      expect(await second).toMatchObject(unavailable);
      expect(await Promise.all(dials)).toContain("refused");
      const near = await dialPipe(parseAddress(address), { timeoutMs: 0 });
      near.abort();
      listener.close();
    },
  );

  test("never takes the place of a file that is no socket", async () => {
    const path = `${folder}/precious.txt`;
    writeFileSync(path, "precious");
    await expect(listen(`unix@${path}`)).rejects.toMatchObject(unavailable);
    expect(readFileSync(path, "utf8")).toBe("precious");
  });

  test("in a folder that is not there is unavailable", async () => {
    const address = `unix@${folder}/nowhere/a.sock`;
    await expect(listen(address)).rejects.toMatchObject(unavailable);
  });
});
