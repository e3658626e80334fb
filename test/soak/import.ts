// Imports the library and tells what that took, and what it left behind.
const events = () =>
  process
    .eventNames()
    .map((name) => `${String(name)} ${process.listenerCount(name)}`);
const globalsBefore = Object.getOwnPropertyNames(globalThis).length;
const eventsBefore = events().join();
const envBefore = JSON.stringify(process.env);

const startedAt = performance.now();
await import("../../src/index.ts");
const ms = performance.now() - startedAt;

let sideEffects = Object.getOwnPropertyNames(globalThis).length - globalsBefore;
if (events().join() !== eventsBefore) sideEffects++;
if (JSON.stringify(process.env) !== envBefore) sideEffects++;
console.log(JSON.stringify({ ms, sideEffects }));
// A timer or a socket would keep the process from its end.

export {};
