import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const executable = Bun.which("etcd");

/** On CI a missing etcd is a failure, elsewhere those tests are skipped. */
export const isEtcdMissing =
  executable === null && process.env["CI"] !== "true";
if (isEtcdMissing) {
  console.error("skipped: etcd: Debian's etcd-server is not installed");
}

/** How long a cluster may take to elect a leader. */
const patienceMs = 20_000;
const pollMs = 20;

/** Real etcd nodes on loopback, with their data in a folder of their own. */
export interface Etcd extends AsyncDisposable {
  /** `http://127.0.0.1:port` of each node. */
  readonly endpoints: readonly string[];
  readonly nodes: readonly EtcdNode[];
  /** The node that leads, once one of those that run does. */
  leader(): Promise<EtcdNode>;
}

interface Ports {
  client: number;
  peer: number;
}

/** Starts one or three nodes, and waits until they have a leader. */
export async function startEtcd(nodeCount: 1 | 3): Promise<Etcd> {
  if (executable === null) {
    throw new Error("etcd is not installed: apt-get install etcd-server");
  }
  const folder = await mkdtemp(join(tmpdir(), "geerpc-etcd-"));
  const ports = freePorts(nodeCount);
  const cluster = ports
    .map(({ peer }, i) => `n${i}=http://127.0.0.1:${peer}`)
    .join(",");
  const nodes = ports.map(
    (own, i) => new EtcdNode(executable, `n${i}`, own, cluster, folder),
  );
  for (const node of nodes) node.start();
  const etcd: Etcd = {
    endpoints: nodes.map(({ endpoint }) => endpoint),
    nodes,
    leader: () => leaderOf(nodes),
    async [Symbol.asyncDispose]() {
      await Promise.all(nodes.map((node) => node.kill()));
      await rm(folder, { recursive: true, force: true });
    },
  };
  await etcd.leader();
  return etcd;
}

/** One node, a process of its own. */
export class EtcdNode {
  readonly endpoint: string;
  readonly #command: readonly string[];
  readonly #folder: string;
  #process: Bun.Subprocess | undefined;
  #isStopped = false;

  constructor(
    etcd: string,
    name: string,
    { client, peer }: Ports,
    cluster: string,
    folder: string,
  ) {
    this.#folder = folder;
    this.endpoint = `http://127.0.0.1:${client}`;
    const peerUrl = `http://127.0.0.1:${peer}`;
    this.#command = [
      etcd,
      `--name=${name}`,
      `--data-dir=${join(folder, name)}`,
      `--listen-client-urls=${this.endpoint}`,
      `--advertise-client-urls=${this.endpoint}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=${cluster}`,
      "--heartbeat-interval=50",
      "--election-timeout=500",
      "--log-level=error",
      "--logger=zap",
    ];
  }

  get isRunning(): boolean {
    return this.#process !== undefined && !this.#isStopped;
  }

  start(): void {
    const child = Bun.spawn([...this.#command], {
      cwd: this.#folder,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    });
    this.#process = child;
    // Its input ends with this process, however that ends.
    const end =
      'cat >/dev/null; kill -9 "$0" 2>/dev/null; sleep 0.5; rm -rf "$1"';
    const guard = Bun.spawn(
      ["sh", "-c", end, String(child.pid), this.#folder],
      { stdin: "pipe", stdout: "ignore", stderr: "ignore" },
    );
    guard.unref();
    void child.exited.then(() => guard.kill("SIGKILL"));
  }

  /** SIGSTOP: it hangs, and its connections stay. */
  stop(): void {
    this.#isStopped = true;
    this.#process?.kill("SIGSTOP");
  }

  continue(): void {
    this.#isStopped = false;
    this.#process?.kill("SIGCONT");
  }

  /** SIGKILL. Its data stays; `start` begins it again. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    this.#isStopped = false;
    child?.kill("SIGKILL");
    await child?.exited;
  }

  /** Whether it says that it leads; false where it says nothing. */
  async isLeader(): Promise<boolean> {
    if (!this.isRunning) return false;
    try {
      const answer = await fetch(`${this.endpoint}/v3/maintenance/status`, {
        method: "POST",
        body: "{}",
        signal: AbortSignal.timeout(500),
      });
      const { header, leader } = (await answer.json()) as {
        header: { member_id: string };
        leader?: string;
      };
      return header.member_id === leader;
    } catch {
      return false;
    }
  }
}

async function leaderOf(nodes: readonly EtcdNode[]): Promise<EtcdNode> {
  const until = Date.now() + patienceMs;
  while (Date.now() < until) {
    const leads = await Promise.all(nodes.map((node) => node.isLeader()));
    const leader = nodes[leads.indexOf(true)];
    if (leader !== undefined) return leader;
    await Bun.sleep(pollMs);
  }
  throw new Error(`no etcd leader within ${patienceMs} ms`);
}

/** Ports that nobody has now: etcd takes no 0. */
function freePorts(nodeCount: number): Ports[] {
  const held = Array.from({ length: 2 * nodeCount }, () =>
    Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } }),
  );
  const ports = held.map(({ port }) => port);
  for (const listener of held) listener.stop(true);
  return Array.from({ length: nodeCount }, (_, i) => ({
    client: ports[2 * i] as number,
    peer: ports[2 * i + 1] as number,
  }));
}
