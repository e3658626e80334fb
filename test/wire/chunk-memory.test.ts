import { expect, test } from "bun:test";
import { freeChunk, giveChunk } from "../../src/wire/chunk-memory.ts";
import { FrameReader } from "../../src/wire/frame-reader.ts";
import { headerBytes } from "../../src/wire/frame.ts";

const largeBytes = 64 * 1024;

function chunkOf(length: number): Buffer {
  return Buffer.allocUnsafeSlow(length).fill(0);
}

test("a large chunk that was given is freed", () => {
  const chunk = chunkOf(largeBytes);
  giveChunk(chunk);
  expect(chunk.length).toBe(largeBytes);
  freeChunk(chunk);
  expect(chunk.length).toBe(0);
  // A second time there is nothing to free.
  freeChunk(chunk);
});

test("one that was not given stays", () => {
  const chunk = chunkOf(largeBytes);
  freeChunk(chunk);
  expect(chunk.length).toBe(largeBytes);
});

test("a small one stays", () => {
  const chunk = chunkOf(largeBytes - 1);
  giveChunk(chunk);
  freeChunk(chunk);
  expect(chunk.length).toBe(largeBytes - 1);
});

test("a part of a buffer, which others may have, stays", () => {
  const all = chunkOf(2 * largeBytes);
  const parts = [all.subarray(1), all.subarray(0, -1)];
  for (const part of parts) {
    giveChunk(part);
    freeChunk(part);
  }
  giveChunk(all);
  // So does what is left of one that was given whole: somebody has the rest.
  freeChunk(all.subarray(1));
  freeChunk(all.subarray(0));
  expect(all.length).toBe(2 * largeBytes);
});

test("a frame reader frees its chunk once it needs more, and not before", () => {
  const reader = new FrameReader();
  // Frames without content.
  const chunk = chunkOf(largeBytes).fill(0);
  giveChunk(chunk);
  reader.push(chunk);
  for (let count = 0; count < largeBytes / headerBytes; count++) {
    expect(reader.next()).toBe(true);
    expect(chunk.length).toBe(largeBytes);
  }
  expect(reader.next()).toBe(false);
  expect(chunk.length).toBe(0);
});
