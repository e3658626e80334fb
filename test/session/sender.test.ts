import { expect, test } from "bun:test";
import { binaryCodecType, createCodec } from "../../src/codec/table.ts";
import { Sender } from "../../src/session/sender.ts";
import { memoryPipe } from "../../src/transport/memory.ts";
import { bulkFlushBytes, Outbox } from "../../src/transport/outbox.ts";
import { headerBytes, pieceBytes } from "../../src/wire/frame.ts";
import { defaultLimits } from "../../src/wire/limits.ts";
import { headOf } from "../codec/recorder.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** A sender whose outbox is empty, and which holds twenty pieces. */
function setUp() {
  const codec = createCodec(binaryCodecType, {
    role: "dial",
    limits: defaultLimits,
    bodies: [],
  });
  const owner = { refill() {}, flushed() {}, stalled() {} };
  const options = { clock: new ManualClock(), stallTimeoutMs: 1, lowBytes: 0 };
  const outbox = new Outbox(memoryPipe()[0], owner, options);
  const sender = new Sender(codec, outbox, defaultLimits);
  const { buffer } = outbox;
  sender.request(
    headOf({ seq: 1 }),
    new Uint8Array(20 * pieceBytes),
    undefined,
  );
  buffer.clear();
  return { buffer, sender };
}

test("pieces of large bodies are added for one write, together, and no more", () => {
  const { buffer, sender } = setUp();
  sender.refill(buffer);
  const pieces = bulkFlushBytes / pieceBytes;
  expect(buffer.length).toBe(pieces * (pieceBytes + headerBytes));
  sender.refill(buffer);
  expect(buffer.length).toBe(pieces * (pieceBytes + headerBytes));
});

test("behind items one piece is added, and then they have their turn", () => {
  const { buffer, sender } = setUp();
  for (let round = 1; round <= 3; round++) {
    let itemBytes = 0;
    while (sender.hasItemRoom) {
      sender.item(2, false, new Uint8Array(4096 - headerBytes));
      itemBytes += 4096;
    }
    expect(itemBytes).toBe(pieceBytes);
    expect(buffer.length).toBe(itemBytes);
    buffer.clear();
    sender.refill(buffer);
    expect(buffer.length).toBe(pieceBytes + headerBytes);
    buffer.clear();
  }
  sender.refill(buffer);
  expect(buffer.length).toBeGreaterThanOrEqual(bulkFlushBytes);
});
