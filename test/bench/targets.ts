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
            "72 % of the client's profile is the write that wakes the other process, which raw sockets make as well; the rest is one JSON.stringify, one JSON.parse, one promise and what calls need. The hand-made floor, which has nothing else, takes 1.06 to 1.25 times the raw round trip.",
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
      "Half of either end's profile is JSON.stringify and JSON.parse, 15 % the kernel's write, 12 % the walks that see that an object is plain and not too deep, 6 % UTF-8 into a string.",
    figureOf: ({ ratioToSerializer }) => ratioToSerializer,
  }),
  oneRow("bytes-64k", 2, 16, {
    number: 3,
    what: "echo of 64 KiB, against raw sockets",
    bound: { atLeast: 0.7 },
    reason:
      "Half of either end's profile is the kernel's write, a quarter the copy of a body out of its chunk with the collection of those before it, 8 % the copy into what is sent. Raw sockets copy nothing; a bare program that copies once each way reaches about 0.6 of them.",
    figureOf: ratio,
  }),
  oneRow("bytes-4m", 2, 4, {
    number: 3,
    what: "echo of 4 MiB, against raw sockets",
    bound: { atLeast: 0.7 },
    reason:
      "40 to 55 % of each end's profile is one copy out of the chunks and one into what is sent: 4 MiB do not stay in a core's cache. 30 to 40 % is write. Raw sockets look at nothing and send the same bytes each time.",
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
      "85 % of the sender's profile is write; half of the receiver's is the one copy of each item out of the chunks that it came in, with the collection of items before it. Raw sockets copy and keep nothing.",
    figureOf: ratio,
  }),
];

const fleets: readonly CaseRun[] = [
  oneRow("xclient", 2, 64, {
    number: 6,
    what: "three servers by registry, against a plain client",
    bound: { atLeast: 0.85 },
    reason:
      "The 64 calls go out over three connections, in writes that are a third as large: three plain clients in turns reach 0.78 to 0.91 of one. The rest, 0.4 to 0.9 µs of the client's CPU time a call, is choosing a server and noting what became of it.",
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
      "Bun reads and transpiles the 233 files of the library anew in each process; as many files of that size that do nothing take three quarters of the time. Bundled it is 17 to 20 ms.",
  },
  {
    soak: "flat-memory",
    number: 7,
    reason:
      "The collector lets the heap grow while calls come at full speed; what stays after Bun.gc(true) is what would be a leak.",
  },
];
