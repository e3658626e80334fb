import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Client } from "../../src/client/client.ts";
import { classifyGoError } from "../../src/codec/go-errors.ts";
import { gob } from "../../src/codec/gob/gob.ts";
import { GobDecoder } from "../../src/codec/gob/gob-decoder.ts";
import { type Code, RpcError } from "../../src/errors.ts";
import { Server } from "../../src/server/server.ts";
import { parseAddress } from "../../src/transport/address.ts";
import { dialPipe } from "../../src/transport/dial.ts";
import { Peer } from "../server/set-up.ts";
import { writeAll } from "../support/pipe-ear.ts";
import {
  boundless,
  callBytes,
  type Dialect,
  type Encode,
  header,
  hostileGob,
  hostileJson,
} from "./hostile-lines.ts";

const sumType = gob.struct({ Num1: gob.int, Num2: gob.int });
const numbers = { Num1: 1, Num2: 2 };

class Foo {
  Sum({ Num1, Num2 }: typeof numbers): number {
    return Num1 + Num2;
  }

  Fail(): never {
    throw new RpcError("failed_precondition", "as it was asked to");
  }
}

const server = new Server();
let address: string;
let bystander: Client;

beforeAll(async () => {
  server.register(new Foo());
  address = await server.listen();
  bystander = await Client.dial(address, { callTimeoutMs: 0 });
});

afterAll(async () => {
  await bystander.close();
  await server.close();
});

/** A stranger sends `bytes` and goes on; calls of another connection before, during and after are answered. */
async function visit(
  bytes: Uint8Array,
  goOn: (peer: Peer) => Promise<void>,
): Promise<void> {
  const sum = () => bystander.call("Foo.Sum", numbers);
  expect(await sum()).toBe(3);
  const pipe = await dialPipe(parseAddress(address), { timeoutMs: 0 });
  const peer = new Peer(pipe);
  // What the server leaves unread when it ends, nobody waits to write.
  const written = Promise.race([writeAll(pipe, peer.ear, bytes), peer.ended()]);
  const during = sum();
  await written;
  await goOn(peer);
  expect(await during).toBe(3);
  expect(await sum()).toBe(3);
  peer.pipe.shutdown();
  await peer.closed();
}

interface Answer {
  Seq: number;
  Error: string;
  Code?: string;
}

/** The headers and bodies that have come whole. */
class GobAnswers {
  readonly #peer: Peer;
  readonly #decoder = new GobDecoder();
  #chunks = 0;
  #values: unknown[] = [];

  constructor(peer: Peer) {
    this.#peer = peer;
  }

  /** Waits for the answer at `index`: its header and its body. */
  async at(index: number): Promise<[Answer, unknown]> {
    await this.#peer.ear.until(() => this.#read().length >= 2 * index + 2);
    const [head, body] = this.#values.slice(2 * index);
    return [head as Answer, body];
  }

  /** The header of the last answer, if there is any. */
  last(): Answer | undefined {
    return this.#read().at(-2) as Answer | undefined;
  }

  #read(): unknown[] {
    const { chunks } = this.#peer.ear;
    for (; this.#chunks < chunks.length; this.#chunks++) {
      this.#decoder.push(chunks[this.#chunks] as Uint8Array);
    }
    for (;;) {
      const result = this.#decoder.next();
      if (result === undefined) return this.#values;
      if (result.error !== undefined) throw result.error;
      this.#values.push(result.value);
    }
  }
}

/** The code, which net/rpc has in no field of its own. */
function codeOf({ Code, Error }: Answer): string {
  return Code ?? classifyGoError(Error);
}

function nextCall(encode: Encode, dialect: Dialect): Buffer {
  return Buffer.concat([
    header(encode, dialect, "Foo.Sum", 2),
    encode(numbers, sumType),
  ]);
}

describe.each<Dialect>(["gob", "net/rpc"])("%s", (dialect) => {
  test.each(hostileGob.map((line) => [line.name, line] as const))(
    "%s",
    async (_, line) => {
      const encode = boundless();
      const { outcome } = line;
      await visit(callBytes(dialect, encode, line), async (peer) => {
        const answers = new GobAnswers(peer);
        if ("connection" in outcome) {
          await peer.ended();
          const last = answers.last();
          expect(last?.Error).not.toBe("");
          // net/rpc has no words for an error of the connection: it ends.
          if (dialect === "net/rpc") return;
          expect(last?.Seq).toBe(0);
          expect(codeOf(last as Answer)).toBe(outcome.connection);
          return;
        }
        const [first] = await answers.at(0);
        expect(first.Seq).toBe(1);
        expect(first.Error).not.toBe("");
        if (dialect === "gob") expect(codeOf(first)).toBe(outcome.call);
        await writeAll(peer.pipe, peer.ear, nextCall(encode, dialect));
        const [second, reply] = await answers.at(1);
        expect(second).toMatchObject({ Seq: 2, Error: "" });
        expect(reply).toBe(3);
      });
    },
  );
});

interface JsonAnswer {
  id?: unknown;
  error?: string | { data?: { code?: Code } };
  code?: Code;
  /** Of a refusal. */
  Code?: Code;
}

function jsonCodeOf({ error, code, Code }: JsonAnswer): Code | undefined {
  if (typeof error === "object") return error.data?.code;
  return Code ?? code ?? (error ? classifyGoError(error) : undefined);
}

describe("JSON-RPC", () => {
  test.each(hostileJson.map((line) => [line.name, line] as const))(
    "%s",
    async (_, { text, outcome }) => {
      await visit(Buffer.from(text()), async (peer) => {
        if ("connection" in outcome) {
          await peer.ended();
          const last = peer.text.trimEnd().split("\n").at(-1) as string;
          expect(jsonCodeOf(JSON.parse(last))).toBe(outcome.connection as Code);
          return;
        }
        const [first = ""] = await peer.lines();
        for (const answer of [JSON.parse(first)].flat()) {
          expect(jsonCodeOf(answer)).toBe(outcome.call as Code);
        }
        peer.send(
          `{"method":"Foo.Sum","params":[${JSON.stringify(numbers)}],"id":"next"}`,
        );
        await peer.ear.until(() => peer.text.includes('"next"'));
        const last = peer.text.trimEnd().split("\n").at(-1) as string;
        expect(JSON.parse(last)).toMatchObject({ id: "next", result: 3 });
      });
    },
  );
});
