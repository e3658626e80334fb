import { basename, dirname, resolve } from "node:path";
import { type Clock, systemClock, type Timer } from "../base/clock.ts";
import { outside } from "../base/outside.ts";
import { RpcError } from "../errors.ts";
import type { Endpoint } from "./discovery.ts";
import { maxListBytes } from "./listing.ts";
import { readEndpointFile } from "./endpoint-file.ts";
import { SingleSource, type SingleSourceOptions } from "./single-source.ts";

/**
 * Tells of each name in a folder that something was done to; null where it is
 * not known. Keeps no process alive. Throws where there is no such folder;
 * `onGone`: it can tell no more.
 */
export type WatchFolder = (
  folder: string,
  onChange: (name: string | null) => void,
  onGone: () => void,
) => { close(): void };

export interface FileDiscoveryOptions extends SingleSourceOptions {
  /** Whether the file is watched, besides being read when the list is stale. Default true. */
  watch?: boolean;
  watchFolder?: WatchFolder;
}

/** From a change to the read: the rest of what is written, and one read for a burst of them. */
const settleMs = 50;

/** The link that Kubernetes turns to another version of a mounted folder. */
const mountedVersion = "..data";

const watchSystemFolder: WatchFolder = (folder, onChange, onGone) => {
  const { watch } = process.getBuiltinModule("node:fs");
  const watcher = watch(folder, { persistent: false }, (_kind, name) =>
    onChange(name),
  );
  watcher.on("error", onGone);
  return watcher;
};

/** Whether `text` is meant as a file of servers. */
export function isFileTarget(text: string): boolean {
  return /^file:/i.test(text);
}

/**
 * Reads who serves from a file: `file:///etc/geerpc/servers`, a URL, or
 * `file:servers.json`, a path as it is. Its form: {@link readEndpointFile}.
 *
 * Read when the list is wanted and 10 s ± 20 % old, and 50 ms after a change,
 * which its folder is watched for: a file that takes another's place is seen,
 * and a mounted ConfigMap. A watch may miss changes, so both are needed. A file
 * that is away or broken is told, and the last good list kept; an empty one is
 * doubted as any empty list, since it may be half-written. Best written beside
 * it and renamed. The rest is as {@link PolledList} says.
 */
export class FileDiscovery extends SingleSource {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #watchFolder: WatchFolder | undefined;
  #watcher: { close(): void } | undefined;
  #pause: Timer | undefined;
  #isReading = false;
  #isClosed = false;

  /** @throws RpcError invalid_argument  no path in it, or another machine's */
  constructor(target: string, options: FileDiscoveryOptions = {}) {
    super(target, () => this.#read(), options);
    this.#path = resolve(pathOf(target));
    this.#clock = options.clock ?? systemClock;
    const { watch = true, watchFolder = watchSystemFolder } = options;
    this.#watchFolder = watch ? watchFolder : undefined;
  }

  override close(): void {
    this.#isClosed = true;
    super.close();
    this.#pause?.cancel();
    this.#unwatch();
  }

  async #read(): Promise<readonly Endpoint[]> {
    // Before it is read: what changes from now on is told.
    this.#watch();
    this.#isReading = true;
    try {
      const { readFile, stat } = await import("node:fs/promises");
      const file = await stat(this.#path);
      if (!file.isFile() || file.size > maxListBytes) {
        throw new Error("it is no file of a list");
      }
      return readEndpointFile(await readFile(this.#path, "utf8"));
    } catch (thrown) {
      // Its folder may be another one by now.
      this.#unwatch();
      throw thrown;
    } finally {
      this.#isReading = false;
    }
  }

  #watch(): void {
    if (this.#isClosed) return;
    try {
      // Not only for the call that comes first: nothing of it is kept.
      this.#watcher ??= outside(() =>
        this.#watchFolder?.(
          dirname(this.#path),
          (name) => this.#changed(name),
          () => this.#unwatch(),
        ),
      );
    } catch {
      // No such folder, or no watch left: it is read now and then.
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #changed(name: string | null): void {
    const isMeant =
      name === null || name === basename(this.#path) || name === mountedVersion;
    if (!isMeant || this.#isClosed || this.#pause !== undefined) return;
    this.#pause = this.#clock
      .after(settleMs, () => {
        this.#pause = undefined;
        // A read that has begun may have missed it.
        if (this.#isReading) this.#changed(null);
        else this.refresh().catch(() => {});
      })
      .unref();
  }
}

function pathOf(target: string): string {
  const path = target.replace(/^file:/i, "");
  try {
    if (path.startsWith("/")) {
      const { fileURLToPath } = process.getBuiltinModule("node:url");
      return fileURLToPath(new URL(target));
    }
    if (path !== "") return path;
  } catch {
    // Said below.
  }
  throw new RpcError(
    "invalid_argument",
    `"${target}" is no file: write file:///path/to/servers or file:servers.json`,
  );
}
