// The measured process of bench.test.ts: what `geerpc bench` starts, with a service that can be wrong.
import { BenchServer } from "../../src/bench/bench-server.ts";

let calls = 0;

await using server = new BenchServer({
  Foo: {
    Echo: (args: unknown) => args,
    Sum: ({ Num1, Num2 }: { Num1: number; Num2: number }) => Num1 + Num2,
    /** Right but for every tenth call. */
    Wrong: (args: unknown) => (++calls % 10 === 0 ? "wrong" : args),
    Pid: () => process.pid,
  },
});
process.stdout.write(
  `${JSON.stringify(await server.listen(process.argv.includes("--fleet")))}\n`,
);
for await (const _ of Bun.stdin.stream());
