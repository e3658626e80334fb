import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectOptions, connect } from "../../src/xclient/connect.ts";
import type { XClient } from "../../src/xclient/xclient.ts";
import { Program } from "../support/geerpc.ts";
import { type Execution, readExecutions } from "./ledger.ts";
import { ledgerFolderKey } from "./ledger-service.ts";

const root = join(import.meta.dir, "../..");
const main = join(root, "src/main.ts");
const serviceFile = join(import.meta.dir, "ledger-service.ts");

/**
 * A registry and servers of a Ledger, each a process of its own on a free port
 * of the loopback. All of them end with the fleet, and with this process,
 * however it ends.
 */
export class Fleet implements AsyncDisposable {
  /** Its URL. */
  readonly registry: string;
  /** Those that serve; one that is replaced gives its place to the new one. */
  readonly servers: FleetServer[] = [];
  readonly #all: FleetServer[] = [];
  readonly #folder: string;
  readonly #programs: AsyncDisposableStack;

  private constructor(
    folder: string,
    registry: string,
    programs: AsyncDisposableStack,
  ) {
    this.#folder = folder;
    this.registry = registry;
    this.#programs = programs;
  }

  /** Resolves once all servers are registered. */
  static async open(serverCount = 3): Promise<Fleet> {
    await using programs = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), "geerpc-fleet-"));
    programs.defer(afterwards('sleep 1; rm -rf "$0"', folder));
    programs.defer(() => rm(folder, { recursive: true }));
    const registry = programs.use(
      startGeerpc(["registry", "--listen=127.0.0.1:0"]),
    );
    const url = await registry.listening();
    const fleet = new Fleet(folder, url, programs.move());
    try {
      await Promise.all(Array.from({ length: serverCount }, () => fleet.add()));
    } catch (thrown) {
      await fleet[Symbol.asyncDispose]();
      throw thrown;
    }
    return fleet;
  }

  /** Starts one more server. Resolves once it is registered. */
  async add(): Promise<FleetServer> {
    const server = await this.#start();
    this.servers.push(server);
    return server;
  }

  /** Has `end` end the server at this place, then starts another one there. */
  async replace(
    at: number,
    end: (server: FleetServer) => Promise<unknown>,
  ): Promise<FleetServer> {
    await end(this.servers[at] as FleetServer);
    const server = await this.#start();
    this.servers[at] = server;
    return server;
  }

  /** A client that finds the servers by the registry. */
  connect(options: ConnectOptions = {}): Promise<XClient> {
    return connect(this.registry, options);
  }

  /** All that the servers have executed: ask when the client is closed, and what was on its way has arrived or is lost. */
  executions(): Promise<Execution[]> {
    return readExecutions(this.#folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#all) {
      // One that is stopped could not end.
      server.signal("SIGCONT");
      server.signal("SIGTERM");
    }
    await this.#programs.disposeAsync();
  }

  async #start(): Promise<FleetServer> {
    const program = this.#programs.use(
      startGeerpc(
        [
          "server",
          serviceFile,
          `--registry=${this.registry}`,
          "--log-level=warn",
        ],
        { [ledgerFolderKey]: this.#folder },
      ),
    );
    const server = new FleetServer(program, await program.listening());
    this.#all.push(server);
    return server;
  }
}

/** One server process. */
export class FleetServer {
  readonly address: string;
  readonly #program: Program;
  #hasEnded = false;

  constructor(program: Program, address: string) {
    this.#program = program;
    this.address = address;
  }

  get pid(): number {
    return this.#program.pid;
  }

  /** SIGSTOP and SIGCONT, for one; nothing once it has ended. */
  signal(signal: NodeJS.Signals): void {
    if (!this.#hasEnded) this.#program.signal(signal);
  }

  /** SIGKILL. Resolves when it is gone. */
  kill(): Promise<number> {
    return this.#end("SIGKILL");
  }

  /** SIGTERM. Resolves, when it has drained and is gone, with its exit code. */
  leave(): Promise<number> {
    return this.#end("SIGTERM");
  }

  async #end(signal: NodeJS.Signals): Promise<number> {
    this.signal(signal);
    const { code } = await this.#program.ended();
    this.#hasEnded = true;
    return code;
  }
}

/** `geerpc` with these arguments, as a process that ends with this one, however that ends. */
export function startGeerpc(
  args: readonly string[],
  env: Record<string, string> = {},
): Program {
  const program = new Program([process.execPath, main, ...args], {
    cwd: root,
    env,
  });
  const release = afterwards('kill -9 "$0" 2>/dev/null', String(program.pid));
  void program.exited.then(release);
  return program;
}

/** Has the shell run `line`, in which `$0` is `argument`, once this process is gone, however it ends; the result calls that off. */
function afterwards(line: string, argument: string): () => void {
  // Its input ends with this process.
  const guard = Bun.spawn(["sh", "-c", `read -r _; ${line}`, argument], {
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
  });
  guard.unref();
  return () => guard.kill("SIGKILL");
}
