// What makes load in bench.test.ts, as `geerpc bench` starts it.
import { serveLoad } from "../../src/bench/load-server.ts";
import { StdinItems } from "../../src/cli/stdin-items.ts";

await serveLoad(new StdinItems(Bun.stdin.stream()), (answer) => {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
});
