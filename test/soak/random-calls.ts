import { type Random, randomIndex, seeded } from "../../src/base/random.ts";
import { systemClock } from "../../src/base/clock.ts";
import { binaryCodecType, createCodec } from "../../src/codec/table.ts";
import type { RpcError } from "../../src/errors.ts";
import { Services } from "../../src/service/services.ts";
import { defaultKeepAlive } from "../../src/session/keepalive.ts";
import { type Outcome, PendingCall } from "../../src/session/pending-call.ts";
import { Session } from "../../src/session/session.ts";
import { parseAddress } from "../../src/transport/address.ts";
import { dialPipe } from "../../src/transport/dial.ts";
import { defaultLimits } from "../../src/wire/limits.ts";
import { encodeOption, magicNumber } from "../../src/wire/option.ts";
import { seed } from "../support/seed.ts";
import { report } from "./figures.ts";
import { startServer } from "./process.ts";

const count = 1_000_000;
const inFlight = 800;

/** A session to the server at `address`: its calls' outcomes are told to whoever asks, each time. */
async function openSession(address: string): Promise<Session> {
  const pipe = await dialPipe(parseAddress(address), { timeoutMs: 5_000 });
  const session = new Session(pipe, {
    role: "dial",
    codec: createCodec(binaryCodecType, {
      role: "dial",
      limits: defaultLimits,
      bodies: [],
    }),
    services: new Services(),
    limits: defaultLimits,
    clock: systemClock,
    handleTimeoutMs: 0,
    callTimeoutMs: 0,
    keepAlive: defaultKeepAlive,
    interceptors: [],
    onEvent: () => {},
    onClose: () => {},
  });
  session.open(
    encodeOption({
      MagicNumber: magicNumber,
      CodecType: binaryCodecType,
      ConnectTimeout: 0,
      HandleTimeout: 0,
    }),
  );
  await session.accepted;
  return session;
}

/** Makes calls until there have been `count`, and counts what each comes to. */
class Load {
  /** Outcomes of each call. */
  readonly outcomes = new Uint8Array(count);
  readonly byCode = new Map<string, number>();
  readonly done: Promise<void>;
  readonly #session: Session;
  readonly #random: Random;
  #finish!: () => void;
  #startedCount = 0;
  #endedCount = 0;

  constructor(session: Session, random: Random) {
    this.#session = session;
    this.#random = random;
    this.done = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  start(): void {
    if (this.#startedCount === count) return;
    const index = this.#startedCount++;
    const random = this.#random;
    const controller = new AbortController();
    const outcome: Outcome = {
      succeeded: () => this.#ended(index, "ok"),
      failed: ({ code }: RpcError) => this.#ended(index, code),
    };
    const isQuick = random() < 0.5;
    const seconds = isQuick ? 0 : random() * 0.02;
    const call = new PendingCall(
      isQuick ? "Foo.Sum" : "Foo.Sleep",
      { Num1: seconds, Num2: index },
      outcome,
      random() < 0.7 ? random() * 20 : 0,
      controller.signal,
      undefined,
    );
    this.#session.start(call);
    const dice = random();
    if (dice < 0.1) controller.abort();
    else if (dice < 0.2) queueMicrotask(() => controller.abort());
    else if (dice < 0.3)
      setTimeout(() => controller.abort(), randomIndex(20, random));
  }

  #ended(index: number, what: string): void {
    this.outcomes[index] = Math.min(255, (this.outcomes[index] ?? 0) + 1);
    this.byCode.set(what, (this.byCode.get(what) ?? 0) + 1);
    this.#endedCount++;
    if (this.#endedCount === count) this.#finish();
    // In a turn of its own: an outcome may be told from inside of start().
    else setImmediate(() => this.start());
  }
}

/** Handlers of the server's that have not ended. */
async function runningHandlers(address: string): Promise<number> {
  const url = `${address.replace("tcp@", "http://")}/debug/geerpc`;
  const response = await fetch(url, {
    headers: { Accept: "application/json" },
  });
  const { services } = (await response.json()) as {
    services: Record<string, Record<string, { inFlight: number }>>;
  };
  return Object.values(services["Foo"] ?? {}).reduce(
    (sum, { inFlight: running }) => sum + running,
    0,
  );
}

/** Calls that are given up at any time, at both ends: each has one outcome. */
export async function randomCalls(): Promise<void> {
  await using server = startServer();
  const address = await server.listening();
  const session = await openSession(address);
  const load = new Load(session, seeded(seed));
  for (let call = 0; call < inFlight; call++) load.start();
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, 300_000);
  await Promise.race([load.done, late.promise]);
  clearTimeout(timer);
  // For answers that come late.
  await Bun.sleep(1_000);
  const counts = [...load.byCode].map(([what, many]) => `${what} ${many}`);
  console.log(
    `1,000,000 random calls: ${counts.sort().join(", ")}, late replies ${session.lateReplies}`,
  );
  const having = (holds: (outcomes: number) => boolean) =>
    load.outcomes.reduce((sum, each) => sum + (holds(each) ? 1 : 0), 0);
  report(
    "of them unresolved",
    having((each) => each === 0),
    { atMost: 0 },
    "calls",
  );
  report(
    "of them resolved twice",
    having((each) => each > 1),
    { atMost: 0 },
    "calls",
  );
  report(
    "of them in flight at the caller",
    session.inFlightCount,
    { atMost: 0 },
    "calls",
  );
  report(
    "of them running at the server",
    await runningHandlers(address),
    { atMost: 0 },
    "handlers",
  );
  await session.finish();
}
