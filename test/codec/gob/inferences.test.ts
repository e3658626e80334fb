import { describe, expect, test } from "bun:test";
import { gob } from "../../../src/codec/gob/gob.ts";
import { Inference } from "../../../src/codec/gob/inference.ts";
import { Inferences, remember } from "../../../src/codec/gob/inferences.ts";
import { gobCodec } from "../../../src/codec/gob/rpc-codec.ts";
import {
  Client,
  type RpcEvent,
  Server,
  StaticDiscovery,
  XClient,
} from "../../../src/index.ts";
import { memoryPipe } from "../../../src/transport/memory.ts";
import { SendBuffer } from "../../../src/wire/send-buffer.ts";
import { contextOf, headOf } from "../recorder.ts";

const codec = "application/gob";

class Calc {
  half({ n }: { n: number }) {
    return n / 2;
  }
}

function told(events: readonly RpcEvent[]) {
  return events.filter(({ kind }) => kind === "ambiguous-type");
}

/** A service, and a way to dial it; `events` are the server's. */
function setUp() {
  const events: RpcEvent[] = [];
  const server = new Server({ onEvent: (event) => void events.push(event) });
  server.register(new Calc());
  const dial = (options: Parameters<typeof Client.over>[1] = {}) => {
    const [near, far] = memoryPipe();
    server.serve(far);
    return Client.over(near, { codec, ...options });
  };
  return { server, events, dial };
}

/** The type that a stream of its own finds for `value`, with what the others have seen. */
function typeOf(shared: Inferences, value: unknown, serviceMethod = "A.b") {
  return new Inference({ numbers: shared.of(serviceMethod) }).typeOf(value);
}

test("another stream sends a float64 at once where a fraction was seen", () => {
  const shared = new Inferences();
  expect(typeOf(shared, 2)).toBe(gob.int);
  expect(typeOf(shared, 2.5)).toBe(gob.float64);
  expect(typeOf(shared, 2)).toBe(gob.float64);
  expect(typeOf(shared, 2, "A.c")).toBe(gob.int);
});

test("places inside a value are kept apart, also a field that is called []", () => {
  const shared = new Inferences();
  typeOf(shared, { "[]": 1.5, list: [1], map: new Map([[1, 1.5]]) });
  const type = typeOf(shared, { "[]": 1, list: [1], map: new Map([[1, 1]]) });
  expect(type).toMatchObject({
    fields: [
      { name: "[]", type: gob.float64 },
      { name: "list", type: { elem: gob.int } },
      { name: "map", type: { key: gob.int, elem: gob.float64 } },
    ],
  });
  expect(typeOf(shared, [1])).toMatchObject({ elem: gob.int });
});

test("types of one stream are not another's", () => {
  const shared = new Inferences();
  const numbers = shared.of("A.b");
  const theirs = gob.slice(gob.struct({ Text: gob.string }));
  const one = new Inference({ numbers });
  expect(one.typeOf([{ Text: "x" }], theirs)).toBe(theirs);
  expect(one.typeOf([])).toBe(theirs);
  expect(new Inference({ numbers }).typeOf([])).not.toBe(theirs);
});

test("names that one peer makes up cost another nothing", () => {
  const numbers = new Inferences().of("A.b");
  for (let stream = 0; stream < 20; stream++) {
    const inference = new Inference({ numbers });
    const names = Array.from({ length: 500 }, (_, i) => `${stream} ${i}`);
    inference.typeOf(Object.fromEntries(names.map((name) => [name, 1])));
  }
  const fresh = new Inference({ numbers });
  expect(fresh.typeOf({ late: 1.5 })).toMatchObject({
    fields: [{ type: gob.float64 }],
  });
  expect(fresh.typeOf({ late: 1 })).toMatchObject({
    fields: [{ type: gob.float64 }],
  });
});

test("1,024 methods are remembered, the oldest goes first", () => {
  const methods = new Map<string, number>();
  for (let i = 0; i < 1_025; i++) remember(methods, `A.${i}`, i);
  expect(methods.size).toBe(1_024);
  expect([methods.has("A.0"), methods.has("A.1")]).toEqual([false, true]);
});

describe("of two connections the second sends float64 at once, and one warning is told", () => {
  test("for replies: by their server", async () => {
    const { server, events, dial } = setUp();
    const clients = [dial(), dial()];
    for (const client of clients) {
      expect(await client.call("Calc.half", { n: 4 })).toBe(2);
      expect(await client.call("Calc.half", { n: 5 })).toBe(2.5);
    }
    expect(told(events)).toEqual([
      {
        kind: "ambiguous-type",
        side: "reply",
        serviceMethod: "Calc.half",
        path: "",
        declaration: "float64",
      },
    ]);
    await server.close();
  });

  test("for arguments: by an XClient, also after a loss", async () => {
    const { server, dial } = setUp();
    const events: RpcEvent[] = [];
    const dialled: Client[] = [];
    await using client = new XClient(new StaticDiscovery(["tcp@a:1"]), {
      codec,
      onEvent: (event) => void events.push(event),
      dial: async (_address, options) => {
        const made = dial(options);
        dialled.push(made);
        return made;
      },
    });
    for (let i = 0; i < 2; i++) {
      expect(await client.call("Calc.half", { n: 4 })).toBe(2);
      expect(await client.call("Calc.half", { n: 5.5 })).toBe(2.75);
      await dialled.at(-1)?.close();
    }
    expect(dialled).toHaveLength(2);
    expect(told(events)).toMatchObject([{ side: "args" }]);
    await server.close();
  });

  test("on the wire", () => {
    const inferences = new Inferences();
    const written = (value: number) => {
      const out = new SendBuffer();
      const context = { ...contextOf("dial"), inferences };
      gobCodec(context).writeRequest(out, headOf({ seq: 1 }), value);
      return Buffer.from(out.pending()).toString("hex");
    };
    // A segment of a lone value: its type's id (int 2 is 04, float64 4 is 08), 0, the value.
    expect(written(4)).toEndWith("03040008");
    expect(written(4.5)).toEndWith("050800fe1240");
    expect(written(4)).toEndWith("050800fe1040");
  });
});

test("a fraction wins over an argument's int, and is told once", () => {
  const told: string[] = [];
  const inference = new Inference({
    onAmbiguous: ({ declaration }) => told.push(declaration),
  });
  const halves = [4, 5, 6].map((n) => inference.typeOf(n / 2, gob.int));
  expect(halves).toEqual([gob.int, gob.float64, gob.float64]);
  expect(told).toEqual(["float64"]);
});
