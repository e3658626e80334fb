import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const root = join(import.meta.dir, "..", "src");

/** From the ground up: a file imports from its own layer and those in front of it. */
const layers = [
  "errors.ts",
  "events.ts",
  "base",
  "wire",
  "codec",
  "transport",
  "metrics",
  "http",
  "service",
  "session",
  "client",
  "server",
  "registry",
  "discovery",
  "balance",
  "xclient",
  "pair.ts",
  "index.ts",
  "bench",
  "cli",
  "main.ts",
];

/** Layers that stand beside each other in the list but never meet. */
const strangers: [string, string][] = [
  ["server", "client"],
  ["registry", "session"],
  ["discovery", "session"],
  ["balance", "session"],
  ["base", "errors.ts"],
  ["base", "events.ts"],
];

/** Where the runtime's own I/O may be used. */
const withBun = [
  "codec/binary/compression.ts",
  "transport/",
  "server/http-bridge.ts",
  "registry/serve-http.ts",
  "bench/",
  "cli/",
];

/** Packages, and the only layers that may import them. */
const packages: Record<string, string[]> = {
  citty: ["cli", "main.ts"],
  consola: ["cli"],
  "consola/core": ["cli"],
  "bun:sqlite": ["registry"],
  "node:crypto": ["registry"],
  "node:async_hooks": ["base", "service"],
  "node:dns/promises": ["discovery"],
  "node:fs": ["transport", "server", "registry", "discovery", "cli", "bench"],
  "node:fs/promises": ["server", "discovery", "cli", "bench"],
  "node:os": ["server", "cli", "bench"],
  "node:path": ["server", "registry", "discovery", "cli", "bench"],
  "node:url": ["discovery"],
  "node:zlib": ["codec"],
};

/** Of the library's first import and all that it brings: each other module of the runtime costs 0.5 to 8 ms. */
const loadedAtOnce = ["node:async_hooks", "node:path"];

/** What begins something that few users need: with all behind it, loaded where it is used. */
const loadedLater = [
  "codec/json.ts",
  "codec/gob/rpc-codec.ts",
  "codec/jsonrpc/jsonrpc.ts",
  "server/debug/response.ts",
  "service/adaptive-limit.ts",
];

interface Source {
  path: string;
  layer: string;
  text: string;
  imports: string[];
}

const sources: Source[] = readdirSync(root, { recursive: true })
  .map(String)
  .filter((path) => path.endsWith(".ts"))
  .sort()
  .map((path) => {
    const text = readFileSync(join(root, path), "utf8");
    return { path, layer: layerOf(path), text, imports: importsOf(text) };
  });

function layerOf(path: string): string {
  return path.split("/", 1)[0] as string;
}

function importsOf(text: string): string[] {
  const found = text.matchAll(
    /\b(?:from|import|require|getBuiltinModule)\s*\(?\s*"([^"]+)"/g,
  );
  return [...found].map((match) => match[1] as string);
}

/** Those that are loaded before the first line of the text runs. */
function firstImportsOf(text: string): string[] {
  const found = atRunTime(text).matchAll(
    /^(?:import|export)\b(?:[^;"]*?\bfrom)?\s*"([^"]+)"/gm,
  );
  return [...found].map((match) => match[1] as string);
}

/** The text without imports of types alone, which are gone at run time. */
function atRunTime(text: string): string {
  return text.replace(/\b(?:import|export) type [^;]*? from "[^"]+";/g, "");
}

/** The path below src of a relative import. */
function targetOf(source: Source, specifier: string): string {
  return relative(root, join(root, dirname(source.path), specifier));
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
}

test("there are sources, and each is in a known layer", () => {
  expect(sources.length).toBeGreaterThan(50);
  expect(
    sources.filter(({ layer }) => !layers.includes(layer)).map((s) => s.path),
  ).toEqual([]);
});

test("imports go one way", () => {
  const wrong = sources.flatMap((source) =>
    source.imports
      .filter((specifier) => specifier.startsWith("."))
      .map((specifier) => layerOf(targetOf(source, specifier)))
      .filter((layer) => layers.indexOf(layer) > layers.indexOf(source.layer))
      .map((layer) => `${source.path} imports from ${layer}`),
  );
  expect(wrong).toEqual([]);
});

test("the two ends do not know each other, nor the ground RPC", () => {
  const wrong = sources.flatMap((source) =>
    source.imports
      .filter((specifier) => specifier.startsWith("."))
      .map((specifier) => layerOf(targetOf(source, specifier)))
      .filter((layer) =>
        strangers.some(([from, to]) => from === source.layer && to === layer),
      )
      .map((layer) => `${source.path} imports from ${layer}`),
  );
  expect(wrong).toEqual([]);
});

test("no file imports itself in a circle", () => {
  const graph = new Map(
    sources.map((source) => [
      source.path,
      importsOf(atRunTime(source.text))
        .filter((specifier) => specifier.startsWith("."))
        .map((specifier) => targetOf(source, specifier)),
    ]),
  );
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, trail: string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) {
      circles.push([...trail.slice(at), path].join(" > "));
      return;
    }
    if (done.has(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const { path } of sources) visit(path, []);
  expect(circles).toEqual([]);
});

test("I/O of the runtime stays in the layers that do I/O", () => {
  const wrong = sources
    .filter(({ path }) => !withBun.some((prefix) => path.startsWith(prefix)))
    .filter(({ text }) => /\bBun\.\w/.test(withoutComments(text)))
    .map(({ path }) => path);
  expect(wrong).toEqual([]);
});

test("packages are imported where they are allowed", () => {
  const wrong = sources.flatMap(({ path, layer, imports }) =>
    imports
      .filter((name) => /^[a-z@]/.test(name) && name !== "geerpc")
      .filter((name) => !packages[name]?.includes(layer) && name !== "bun")
      .map((name) => `${path} imports ${name}`),
  );
  expect(wrong).toEqual([]);
});

/** What importing a file loads: its own files, and packages and modules of the runtime. */
function loadedBy(path: string): { files: string[]; modules: string[] } {
  const files = new Set<string>();
  const modules = new Set<string>();
  const visit = (path: string): void => {
    const source = sources.find((each) => each.path === path);
    if (source === undefined || files.has(path)) return;
    files.add(path);
    for (const specifier of firstImportsOf(source.text)) {
      if (specifier.startsWith(".")) visit(targetOf(source, specifier));
      else modules.add(specifier);
    }
  };
  visit(path);
  return { files: [...files].sort(), modules: [...modules].sort() };
}

test("what few users need is loaded where it is used", () => {
  const { files, modules } = loadedBy("index.ts");
  expect(files.length).toBeGreaterThan(100);
  expect(modules).toEqual(loadedAtOnce);
  expect(sources.map(({ path }) => path)).toContainValues(loadedLater);
  expect(files.filter((path) => loadedLater.includes(path))).toEqual([]);
});

test("the command loads what a subcommand needs when it is run", () => {
  expect(loadedBy("main.ts")).toEqual({
    files: ["cli/version.ts", "main.ts"],
    modules: [],
  });
  const { files, modules } = loadedBy("cli/root.ts");
  const layers = new Set(files.map(layerOf));
  expect({ layers: [...layers].sort(), modules }).toEqual({
    layers: ["cli", "errors.ts"],
    modules: ["citty"],
  });
  // All of it is for terminals, and takes ten times as long to load.
  for (const command of ["server", "registry", "client"]) {
    expect(loadedBy(`cli/${command}.ts`).modules).not.toContain("consola");
  }
  // The runtime's streams take 8 ms: process-io.ts asks for one by name, for a terminal.
  const streaming = sources.filter(({ text }) =>
    /\bprocess\.std(out|err)\b/.test(withoutComments(text)),
  );
  expect(streaming.map(({ path }) => path)).toEqual([]);
});

test("only cli prints, and only main.ts ends the process", () => {
  const printing = sources.filter(
    ({ layer, text }) =>
      layer !== "cli" &&
      layer !== "main.ts" &&
      /\bconsole\.|process\.std(out|err)\b/.test(withoutComments(text)),
  );
  expect(printing.map(({ path }) => path)).toEqual([]);
  const ending = sources.filter(
    ({ path, text }) =>
      path !== "main.ts" && /process\.exit\b/.test(withoutComments(text)),
  );
  expect(ending.map(({ path }) => path)).toEqual([]);
});
