import { RpcError } from "../errors.ts";

/** What a server says of itself. What it does not say is not there. */
export interface Description {
  /** Names of services, sorted, each once; undefined: not told, counts as having all. */
  readonly services: readonly string[] | undefined;
  /** Of its program. */
  readonly version?: string;
  /** What it can take beside the others: twice the weight, twice the calls. Above 0; not told is 1. */
  readonly weight?: number;
  /** The part of the network that it is in, such as a data centre. */
  readonly zone?: string;
  /** How busy it is, from 0, idle, to 1, in hundredths. It comes with renewals. */
  readonly load?: number;
  /** The users' own, sorted by key. */
  readonly labels?: ReadonlyMap<string, string>;
}

/** Of one registration: a list that fills the memory. */
export const maxServices = 1_000;
export const maxServiceNameLength = 200;
export const maxWeight = 1_000;
/** Of a version and a zone. */
export const maxWordLength = 64;
export const maxLabels = 32;
export const maxLabelKeyLength = 63;
export const maxLabelValueLength = 256;

/**
 * Reads the body of a registration,
 * `{"services":["Arith"],"version":"1.2","weight":2,"zone":"a","load":0.3,"labels":{"rack":"7"}}`.
 * Each key may be missing or null, and the body empty: not told. Other keys
 * are not read.
 *
 * @throws RpcError invalid_argument  no JSON object, or a value that is none
 */
export function readDescription(body: string): Description {
  const said = body.trim() === "" ? {} : parseObject(body);
  const version = readWord("version", said.version);
  const weight = readNumber("weight", said.weight, maxWeight);
  const zone = readWord("zone", said.zone);
  const load = readNumber("load", said.load, 1);
  const labels = readLabels(said.labels);
  if (weight === 0) throw invalid('"weight" is above 0');
  return {
    services: readServices(said.services),
    ...(version !== undefined && { version }),
    ...(weight !== undefined && { weight }),
    ...(zone !== undefined && { zone }),
    ...(load !== undefined && { load: Math.round(load * 100) / 100 }),
    ...(labels !== undefined && { labels }),
  };
}

/** A description as its JSON is made of it: the form that `readDescription` reads. */
export function plainDescription({
  services,
  version,
  weight,
  zone,
  load,
  labels,
}: Description): object {
  return {
    services,
    version,
    weight,
    zone,
    load,
    labels: labels && Object.fromEntries(labels),
  };
}

/** Whether both say the same; how busy the server is does not count. */
export function isSameDescription(
  left: Description,
  right: Description,
): boolean {
  return (
    left.version === right.version &&
    left.weight === right.weight &&
    left.zone === right.zone &&
    isEqualList(left.services, right.services) &&
    isEqualList(
      left.labels && [...left.labels].flat(),
      right.labels && [...right.labels].flat(),
    )
  );
}

/** A load that differs by less is not told: watchers would hear of nothing else. */
const loadStep = 0.1;

/** Whether a load is worth telling to who was told another one. */
export function isLoadStep(
  told: number | undefined,
  load: number | undefined,
): boolean {
  if (told === undefined || load === undefined) return told !== load;
  // Both are hundredths: their difference is only nearly one.
  return Math.abs(load - told) >= loadStep - 1e-9;
}

function isEqualList(
  left: readonly string[] | undefined,
  right: readonly string[] | undefined,
): boolean {
  if (left === undefined || right === undefined) return left === right;
  return (
    left.length === right.length && left.every((name, i) => name === right[i])
  );
}

function parseObject(
  body: string,
): Partial<Record<keyof Description, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    // Falls through: undefined is no object.
  }
  if (!isObject(value)) {
    throw invalid('the body is no JSON object: write {"services":["Arith"]}');
  }
  return value;
}

function readServices(services: unknown): readonly string[] | undefined {
  if (services === undefined || services === null) return undefined;
  if (!Array.isArray(services) || services.length > maxServices) {
    throw invalid(`"services" is an array of at most ${maxServices} names`);
  }
  if (!services.every((name) => isText(name, maxServiceNameLength))) {
    throw invalid(
      `a service's name is a string of 1 to ${maxServiceNameLength} printable characters`,
    );
  }
  return [...new Set<string>(services)].sort();
}

function readWord(name: string, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (isText(value, maxWordLength)) return value;
  throw invalid(
    `"${name}" is a string of 1 to ${maxWordLength} printable characters`,
  );
}

function readNumber(
  name: string,
  value: unknown,
  largest: number,
): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && value >= 0 && value <= largest) return value;
  throw invalid(`"${name}" is a number from 0 to ${largest}`);
}

function readLabels(value: unknown): ReadonlyMap<string, string> | undefined {
  if (value === undefined || value === null) return undefined;
  const entries = isObject(value) ? Object.entries(value) : undefined;
  if (entries === undefined || entries.length > maxLabels) {
    throw invalid(
      `"labels" is an object of at most ${maxLabels} keys, as in {"rack":"7"}`,
    );
  }
  const labels = new Map<string, string>();
  for (const [key, text] of entries.sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (key.length > maxLabelKeyLength || !/^[\w./-]+$/.test(key)) {
      throw invalid(
        `a label's key is 1 to ${maxLabelKeyLength} letters, digits and . _ / -`,
      );
    }
    if (text !== "" && !isText(text, maxLabelValueLength)) {
      throw invalid(
        `a label's value is a string of at most ${maxLabelValueLength} printable characters`,
      );
    }
    labels.set(key, text as string);
  }
  return labels;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown, maxLength: number): value is string {
  return (
    typeof value === "string" &&
    value.length <= maxLength &&
    /^\P{Cc}+$/u.test(value)
  );
}

function invalid(message: string): RpcError {
  return new RpcError("invalid_argument", message);
}
