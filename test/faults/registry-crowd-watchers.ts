// A process: `registry-crowd-watchers.ts url count` has so many watch the
// list, each on a connection of its own, with as little work as can be. Says
// `ready` when all wait, a CrowdNews a line for each change that all have, and
// at SIGTERM a CrowdOrder.

/** A change that every watcher knows. */
export interface CrowdNews {
  address: string;
  isRemoved: boolean;
  /** When the last one was told, as Date.now() gives it. */
  at: number;
}

/** The changes as watchers were told them, each order once. */
export interface CrowdOrder {
  orders: string[][];
}

interface Change {
  address: string;
  removed?: boolean;
}

/** As RegistryWatch asks. */
const waitSeconds = 25;
const gapMs = 100;

class Watcher {
  readonly told: string[] = [];
  readonly #url: URL;
  readonly #onChange: (change: Change) => void;
  #socket!: Bun.Socket;
  #revision: string;
  #text = "";
  #askedAt = 0;

  constructor(url: URL, revision: string, onChange: (change: Change) => void) {
    this.#url = url;
    this.#revision = revision;
    this.#onChange = onChange;
  }

  async begin(): Promise<void> {
    const { hostname, port } = this.#url;
    this.#socket = await Bun.connect({
      hostname,
      port: Number(port),
      socket: {
        data: (_, bytes) => this.#read(bytes),
        close: () => {
          throw new Error("the registry ended a watch");
        },
      },
    });
    this.#ask();
  }

  #ask(): void {
    const { pathname, host } = this.#url;
    this.#askedAt = performance.now();
    this.#socket.write(
      `GET ${pathname}?watch=${this.#revision}&timeout=${waitSeconds} HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    );
  }

  #read(bytes: Buffer): void {
    this.#text += bytes.toString("latin1");
    const headEnd = this.#text.indexOf("\r\n\r\n");
    if (headEnd < 0) return;
    const length = /\r\ncontent-length: (\d+)/i.exec(this.#text)?.[1];
    if (!this.#text.startsWith("HTTP/1.1 200 ") || length === undefined) {
      throw new Error(`no answer to a watch: ${this.#text}`);
    }
    const body = this.#text.slice(headEnd + 4);
    if (body.length < Number(length)) return;
    this.#text = "";
    const { revision, changes } = JSON.parse(body) as {
      revision: string;
      changes: Change[];
    };
    this.#revision = revision;
    for (const change of changes) {
      this.told.push(`${change.removed ? "-" : "+"}${change.address}`);
      this.#onChange(change);
    }
    const pauseMs = this.#askedAt + gapMs - performance.now();
    setTimeout(() => this.#ask(), Math.max(0, pauseMs));
  }
}

async function main(url: string, count: number): Promise<void> {
  const headers = { Accept: "application/json" };
  const list = await (await fetch(url, { headers })).json();
  const { revision } = list as { revision: string };
  const tellers = new Map<string, number>();
  const onChange = ({ address, removed: isRemoved = false }: Change) => {
    const key = `${address} ${isRemoved}`;
    const known = (tellers.get(key) ?? 0) + 1;
    tellers.set(key, known);
    if (known !== count) return;
    const news: CrowdNews = { address, isRemoved, at: Date.now() };
    console.log(JSON.stringify(news));
  };
  const watchers = Array.from(
    { length: count },
    () => new Watcher(new URL(url), revision, onChange),
  );
  for (const watcher of watchers) await watcher.begin();
  // Once this has its answer, what was written before it was read.
  await fetch(url);
  console.log("ready");
  await new Promise((resolve) => process.once("SIGTERM", resolve));
  const orders = new Set(watchers.map(({ told }) => JSON.stringify(told)));
  const order: CrowdOrder = {
    orders: [...orders].map((each) => JSON.parse(each) as string[]),
  };
  console.log(JSON.stringify(order));
  process.exit();
}

const [url = "", count = "0"] = process.argv.slice(2);
await main(url, Number(count));
