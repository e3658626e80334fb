import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { dependencies } from "./package.json";

/** Something that a peer needs: where it is, or why it is not there. */
export type Tool =
  | { readonly path: string; readonly version: string }
  | { readonly missing: string };

export interface Tools {
  packages: Tool;
  natsServer: Tool;
  /** programs/netrpc. */
  netrpc: Tool;
}

export interface SetUpOptions {
  /** false: what is not there yet is missing. */
  mayInstall: boolean;
  /** Told in a line what is being installed. */
  onInstall?: (what: string) => void;
}

/** A registry that does not answer is one that is not there. */
const patienceMs = 60_000;

const folder = import.meta.dir;
const modules = join(folder, "node_modules");
/** Beside the packages, so that whoever removes them removes these, too. */
const natsFolder = join(modules, ".nats-server");
const goFolder = join(modules, ".netrpc");
/** The lockfile that the packages were installed by. */
const stamp = join(modules, ".installed-by");

/** Looks for what the peers need and, where it may, brings what is missing into test/peers/node_modules. */
export async function setUp(options: SetUpOptions): Promise<Tools> {
  const packages = await findPackages(options);
  const [natsServer, netrpc] = await Promise.all([
    findNatsServer(options),
    buildNetrpc(),
  ]);
  return { packages, natsServer, netrpc };
}

async function findPackages(options: SetUpOptions): Promise<Tool> {
  const found = { path: modules, version: "" };
  const lockfile = await Bun.file(join(folder, "bun.lock")).text();
  const installedBy = Bun.file(stamp);
  if ((await installedBy.exists()) && (await installedBy.text()) === lockfile) {
    return found;
  }
  if (!options.mayInstall) return notInstalled("the packages of test/peers");
  const names = Object.entries(dependencies).map((each) => each.join(" "));
  options.onInstall?.(`bun install in test/peers: ${names.join(", ")}`);
  const install = await run(
    [process.execPath, "install", "--frozen-lockfile", "--omit=peer"],
    folder,
  );
  if (install.failure !== undefined) {
    return { missing: `bun install failed: ${install.failure}` };
  }
  await installedBy.write(lockfile);
  return found;
}

async function findNatsServer(options: SetUpOptions): Promise<Tool> {
  const unpacked = join(natsFolder, "usr/sbin/nats-server");
  const PATH = `${process.env["PATH"]}:/usr/sbin:/usr/local/sbin`;
  const installed = Bun.which("nats-server", { PATH });
  if (installed !== null) return versioned(installed, "--version");
  if (existsSync(unpacked)) return versioned(unpacked, "--version");
  if (!options.mayInstall) return notInstalled("Debian's nats-server");
  if (Bun.which("apt-get") === null) {
    return { missing: "nats-server is not installed, and there is no apt-get" };
  }
  options.onInstall?.("apt-get download nats-server, unpacked in test/peers");
  await mkdir(natsFolder, { recursive: true });
  const download = ["apt-get", "download", "nats-server"];
  let done = await run(download, natsFolder);
  if (done.failure !== undefined && process.getuid?.() === 0) {
    await run(["apt-get", "update"], natsFolder);
    done = await run(download, natsFolder);
  }
  if (done.failure === undefined) {
    const unpack = 'for deb in nats-server_*.deb; do dpkg -x "$deb" .; done';
    done = await run(["sh", "-ec", unpack], natsFolder);
  }
  return done.failure === undefined
    ? versioned(unpacked, "--version")
    : { missing: `nats-server was not to be had: ${done.failure}` };
}

async function buildNetrpc(): Promise<Tool> {
  const PATH = `${process.env["PATH"]}:/usr/local/go/bin`;
  const go = Bun.which("go", { PATH });
  if (go === null) return { missing: "Go is not installed" };
  await mkdir(goFolder, { recursive: true });
  const path = join(goFolder, "netrpc");
  const program = join(folder, "programs/netrpc");
  const build = await run([go, "build", "-o", path, "."], program);
  if (build.failure !== undefined) {
    return { missing: `go build failed: ${build.failure}` };
  }
  const { version } = await versioned(go, "version");
  return { path, version };
}

/** The first number with dots that it says of itself. */
async function versioned(
  path: string,
  flag: string,
): Promise<{ path: string; version: string }> {
  const { output } = await run([path, flag], folder);
  return { path, version: /\d+(\.\d+)+/.exec(output)?.[0] ?? "" };
}

function notInstalled(what: string): Tool {
  return { missing: `${what}, which bun run bench:peers brings` };
}

/** Runs a command to its end; its failure in one line. */
async function run(
  command: readonly string[],
  cwd: string,
): Promise<{ output: string; failure?: string }> {
  const child = Bun.spawn([...command], {
    cwd,
    env: { ...process.env, GOFLAGS: "", GOWORK: "off" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: patienceMs,
  });
  const [output, errors, exitCode] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  if (exitCode === 0) return { output };
  const [failure] = errors.trim().split("\n").slice(-1);
  return { output, failure: failure || `it ended with ${exitCode}` };
}
