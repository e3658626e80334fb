import type { CaseReport } from "../../src/bench/case-report.ts";
import type { Target as Bound } from "../soak/figures.ts";

/*
 * The targets of "As fast as the socket allows", by its numbers: what is run
 * for each, what is read of it, and why it is missed where it is. A reason
 * names what `bun --cpu-prof-md` shows of both ends; it stands under the table
 * of a run that misses its target, and nowhere else.
 */

/** A figure of a case of `geerpc bench`, and what it has to be. */
export interface Target {
  number: number;
  what: string;
  bound: Bound;
  /** Why it is missed, where it is. */
  reason: string;
  figureOf(row: CaseReport): number | null | undefined;
}

/** One run of `geerpc bench`. */
export interface CaseRun {
  /** What it is called with, besides the time. */
  flags: readonly string[];
  /** How many sides take turns in each of its rows. */
  sides: number;
  /** Those of each row, by calls in flight. */
  targets: Readonly<Record<number, readonly Target[]>>;
}

/** One of soak's figures, which brings its own bounds. */
export interface SoakRun {
  /** As `bun run soak` has it. */
  soak: string;
  number: number;
  reason: string;
}

/** A case with a row of its own. */
function oneRow(
  name: string,
  sides: number,
  inFlight: number,
  target: Target,
): CaseRun {
  const flags = [`--case=${name}`, `--inflight=${inFlight}`];
  return { flags, sides, targets: { [inFlight]: [target] } };
}

const ratio = ({ ratio }: CaseReport) => ratio;
const ratioToReference = ({ ratioToReference }: CaseReport) => ratioToReference;

function floorTarget(inFlight: number): Target {
  return {
    number: 1,
    what: `Foo.Sum, ${inFlight} in flight, against the floor`,
    bound: { atLeast: 0.9 },
    reason:
      "JSON, UTF-8, the promise and the write are the floor's, too. What comes on top is in the profile: the clock, read once a call for deadline and latency; the check that an argument is plain; the method's counters and histogram; one object for each pending call and each invocation.",
    figureOf: ({ ratioToFloor }) => ratioToFloor,
  };
}

const calls: readonly CaseRun[] = [
  {
    flags: ["--case=sum", "--floor", "--inflight=1,64,256,1024"],
    sides: 3,
    targets: {
      1: [
        {
          number: 2,
          what: "a call at a time, against the raw round trip",
          bound: { atMost: 1.1 },
          reason:
            "Most of a round trip is the kernel waking the other process; the rest is one JSON.stringify, one JSON.parse and one promise on each side.",
          figureOf: ({ ratio }) => ratio && 1 / ratio,
        },
      ],
      64: [floorTarget(64)],
      256: [
        floorTarget(256),
        {
          number: 1,
          what: "the floor itself, 256 in flight, against raw sockets",
          bound: { atLeast: 0.22 },
          reason:
            "60 % of the floor's profile is native code that it cannot leave out: write, stringify, parse, toString. Where others take part of the two cores, raw sockets lose nothing (256 frames are one write) and the floor, whose ends work at the same time, loses a core.",
          figureOf: ({ floorRatio }) => floorRatio,
        },
      ],
      1024: [floorTarget(1024)],
    },
  },
];

const bodies: readonly CaseRun[] = [
  oneRow("echo-1k", 3, 64, {
    number: 3,
    what: "echo of 1 KB, against JSON alone",
    bound: { atLeast: 0.5 },
    reason:
      "Half of the profile is JSON.stringify and JSON.parse, a third the kernel's write of 2 KB a call; the check that the object is plain, and its depth, take some 7 %.",
    figureOf: ({ ratioToSerializer }) => ratioToSerializer,
  }),
  oneRow("bytes-64k", 2, 16, {
    number: 3,
    what: "echo of 64 KiB, against raw sockets",
    bound: { atLeast: 0.7 },
    reason:
      "More than half of each end's profile is the kernel's write; a quarter is the one copy of a body that came in parts of a chunk into memory of its own, which raw sockets do not make.",
    figureOf: ratio,
  }),
  oneRow("bytes-4m", 2, 4, {
    number: 3,
    what: "echo of 4 MiB, against raw sockets",
    bound: { atLeast: 0.7 },
    reason:
      "The profile of each end is 40 % write and 40 % the one copy of what was received into a buffer of the declared size: 4 MiB do not stay in a core's cache, and raw sockets look at nothing and send the same bytes each time.",
    figureOf: ratio,
  }),
];

const codecs: readonly CaseRun[] = [
  oneRow("json", 2, 64, {
    number: 4,
    what: "JSON codec, against the binary one",
    bound: { atLeast: 0.5 },
    reason:
      "It parses two JSON texts a message, header and body, where the binary codec parses one.",
    figureOf: ratioToReference,
  }),
  oneRow("gob", 2, 64, {
    number: 4,
    what: "gob codec, against the binary one",
    bound: { atLeast: 0.35 },
    reason:
      "Its fields are encoded and decoded one by one in JavaScript, where JSON has native code.",
    figureOf: ratioToReference,
  }),
];

const streams: readonly CaseRun[] = [
  oneRow("stream-small", 2, 1, {
    number: 5,
    what: "a stream of small items, millions/s",
    bound: { atLeast: 1.5 },
    reason: "Each item is a turn of an async generator and one of its reader.",
    figureOf: ({ callsPerSecond }) => callsPerSecond / 1e6,
  }),
  oneRow("stream-64k", 2, 1, {
    number: 5,
    what: "a stream of 64 KiB, against raw sockets",
    bound: { atLeast: 0.7 },
    reason:
      "The sender's profile is 84 % write; 30 % of the receiver's is the one copy of each item out of the chunks that it came in, which raw sockets do not make.",
    figureOf: ratio,
  }),
];

const fleets: readonly CaseRun[] = [
  oneRow("xclient", 2, 64, {
    number: 6,
    what: "three servers by registry, against a plain client",
    bound: { atLeast: 0.85 },
    reason:
      "A call takes 3.9 µs of CPU on both ends, 1.7 through a plain client and 2.1 through three plain ones with 21 calls in flight each: smaller batches are a fifth of the loss, choosing a server and keeping its attempts and outcomes the rest.",
    figureOf: ratioToReference,
  }),
];

/** In the order of their numbers; what takes ten minutes is last. */
export const targetRuns: readonly (CaseRun | SoakRun)[] = [
  ...[...calls, ...bodies, ...codecs, ...streams, ...fleets],
  {
    soak: "many-idle-connections",
    number: 7,
    reason: "Each connection has its socket, session, codec and timer.",
  },
  {
    soak: "million-calls",
    number: 7,
    reason: "Something outlives its call: bun --heap-prof names it.",
  },
  {
    soak: "workers",
    number: 8,
    reason:
      "Two workers and the process that calls them share the cores: on two cores the callers take their part of both; bun run soak workers tells how much.",
  },
  {
    soak: "start-time",
    number: 9,
    reason:
      "An executable is paged in as it runs: what a command loads before it answers is what its start costs more than a hello-world's.",
  },
  {
    soak: "import-time",
    number: 9,
    reason:
      "Bun transpiles each file of the library anew in each process: the time grows with their number.",
  },
  {
    soak: "flat-memory",
    number: 7,
    reason:
      "The collector lets the heap grow while calls come at full speed; what stays after Bun.gc(true) is what would be a leak.",
  },
];
