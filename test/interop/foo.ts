import {
  Complex,
  type Context,
  GobNamed,
  GobTime,
  gob,
  type GobType,
  parseGobType,
  type Server,
} from "../../src/index.ts";

export interface Args {
  Num1: number;
  Num2: number;
}

interface Person {
  Name: string;
  Age: number;
  Scores: number[];
}

interface Tree {
  Value: number;
  Children: Tree[];
}

/** The Go program's service Foo, in TypeScript. */
export class Foo {
  /** Where the Go type of a reply cannot be told from its argument or its value. */
  static rpc = {
    methods: {
      Avg: { gob: { reply: gob.float64 } },
      Count: { gob: { reply: gob.slice(gob.int) } },
      Open: { gob: { reply: gob.struct({ V: gob.interface }) } },
    },
  };

  /** Handlers that were told to stop. */
  stopped = 0;

  Sum({ Num1, Num2 }: Args) {
    return Num1 + Num2;
  }
  /** Waits Num1 milliseconds and adds. */
  async Sleep({ Num1, Num2 }: Args, { signal }: Context) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, Num1);
    signal.addEventListener("abort", () => {
      this.stopped++;
      clearTimeout(timer);
      reject(new Error("stopped"));
    });
    await promise;
    return Num1 + Num2;
  }
  Fail(text: string) {
    throw new Error(text);
  }
  Upper(text: string) {
    return text.toUpperCase();
  }
  Birthday(person: Person) {
    const Age = person.Age + 1;
    return { ...person, Age, Scores: [...person.Scores, Age] };
  }
  /** The squares below n. */
  Count(n: number) {
    const squares: number[] = [];
    for (let i = 0; i * i < n; i++) squares.push(i * i);
    return squares;
  }
  Avg(all: number[]) {
    return all.reduce((sum, one) => sum + one / all.length, 0);
  }
  Words(words: Map<string, number>) {
    return new Map([...words].map(([key, value]) => [`${key}!`, 2 * value]));
  }
  Invert(names: Map<number, string>) {
    return new Map([...names].map(([key, name]) => [name, key]));
  }
  Reverse(bytes: Uint8Array) {
    return bytes.toReversed();
  }
  Rotate([a, b, c]: number[]) {
    return [b, c, a];
  }
  Not(is: boolean) {
    return !is;
  }
  Complement(bits: number | bigint) {
    return 2n ** 64n - 1n - BigInt(bits);
  }
  Next(number: number | bigint) {
    return BigInt(number) + 1n;
  }
  Conjugate({ re, im }: Complex) {
    return new Complex(re, -im);
  }
  Later({ At, In }: { At: Date; In: number }) {
    const moved = At.getTime() + In / 1e6;
    const { zoneSeconds } = At as GobTime;
    const seconds = Math.floor(moved / 1000);
    return new GobTime(seconds, (moved - seconds * 1000) * 1e6, zoneSeconds);
  }
  /** Puts the tree below a new root, whose value is the sum of all. */
  Grow(tree: Tree): Tree {
    return { Value: total(tree), Children: [tree] };
  }
  Kind({ V }: { V: unknown }) {
    return typeof V;
  }
  Open(kind: string) {
    switch (kind) {
      case "args":
        return { V: new GobNamed("main.Args", { Num1: 1, Num2: 2 }) };
      case "int":
        return { V: 7 };
      case "text":
        return { V: "seven" };
      default:
        return { V: null };
    }
  }
  Nothing() {}
  Who() {
    return "ts";
  }
}

function total({ Value, Children }: Tree): number {
  return Children.reduce((sum, child) => sum + total(child), Value);
}

/** The Go program's types of generated values, each of which is a service there. */
const inner = "Inner{Name:string,Tags:[]string}";
const args = "Args{Num1:int,Num2:int}";

export const mirrorTypes: Readonly<Record<string, GobType>> =
  Object.fromEntries(
    Object.entries({
      Widths: `{B:bool,I:int,I8:int8,I16:int16,I32:int32,I64:int64,
      U:uint,U8:uint8,U16:uint16,U32:uint32,U64:uint64,F32:float32,F64:float64,
      C64:complex64,C:complex128,S:string,D:time.Duration,E:{}}`,
      Lists: `{Bools:[]bool,Ints:[]int64,Floats:[]float32,Texts:[]string,
      Raw:[]byte,Raws:[][]byte,Grid:[2][3]int,Words:[4]uint16,Bytes:[3]uint,
      Ins:[]${inner},Rows:[][]${inner}}`,
      Maps: `{A:map[string]int,B:map[int8]string,C:map[bool]float64,
      D:map[string][]${inner},E:map[${args}]${inner},F:map[string]{},
      G:map[string]map[uint16]bool,H:map[float64]complex128}`,
      Pointers: `{I:*int,S:*string,PP:**${inner},In:*${inner},Arr:*[2]int,
      M:*map[string]int,L:[]*${inner}}`,
      Tree: "Tree{Value:int,Children:[]*Tree}",
      Chain: "Chain{Word:string,Next:*Chain}",
      Odd: `{Args:${args},In:{Deeper:{Words:[]string}},Last:*{X:float64}}`,
      Times: `{At:time.Time,Maybe:*time.Time,All:[]time.Time,
      By:map[string]time.Time,Took:[]time.Duration}`,
      Any: "{V:any,More:[]any,By:map[string]any,Tail:string}",
      Big: `{Max:int64,Min:int64,Edge:int64,UMax:uint64,All:[]int64,
      By:map[int64]uint64}`,
    }).map(([name, text]) => [name, parseGobType(text)]),
  );

/** What `Name.Check` takes. */
export function checkedType(value: GobType): GobType {
  return gob.struct({ Seed: gob.int, Value: value });
}

/** Registers Foo and a service for each type that gives back what it gets. */
export function registerAll(server: Server, foo = new Foo()): Server {
  server.register(foo, "Foo");
  for (const name of Object.keys(mirrorTypes)) {
    server.register({ Echo: (value: unknown) => value }, name);
  }
  return server;
}
