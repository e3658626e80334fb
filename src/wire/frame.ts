/** The numbers of the binary framing. Their meaning: PROTOCOL.md, "Frames". */

export const headerBytes = 16;
/** Of a request, behind the header: timeoutMs u32, sentAtMs u32, method number u16. */
export const requestHeadBytes = 10;
/** A body longer than this goes in pieces of this size. */
export const pieceBytes = 64 * 1024;
/** The most that a frame may declare: a piece, and room for metadata and names. */
export const maxContentBytes = 128 * 1024;
/** The longest serviceMethod, in bytes of UTF-8. */
export const maxNameBytes = 1024;
/**
 * Names of methods that each end of a connection may number: a table that
 * grows for ever. Part of the protocol, not a setting: a sender counts on it.
 */
export const maxMethodNumbers = 1_024;
/**
 * The most that a metadata block comes to, whatever the limits say: an error
 * with its message and its details still fits into a frame beside it.
 */
export const maxMetadataBlockBytes = 32 * 1024;
/** What an item takes of a window at least: small ones cost memory, too. */
export const minItemBytes = 64;
/** The longest message of an error, in UTF-16 units. */
const maxMessageChars = 4096;

export const kinds = {
  settings: 1,
  request: 2,
  response: 3,
  error: 4,
  cancel: 5,
  piece: 6,
  item: 7,
  end: 8,
  credit: 9,
  // 10 is LF, which may stand between the Option and the first frame.
  goaway: 11,
  ping: 12,
  pong: 13,
} as const;

/** Set in a kind: a receiver that does not know it skips the frame. */
export const ignorableBit = 0x80;

export const flags = {
  /** request: the method's name follows and gets the number, if that is not 0. */
  named: 0x01,
  /** The body comes in pieces; its total length stands in its place. */
  pieces: 0x02,
  /** Metadata stands before the body. */
  metadata: 0x04,
  /** The body is compressed. */
  compressed: 0x08,
  /** request: no answer is wanted. */
  oneWay: 0x10,
  /** error: the call was not started, so that it may safely go elsewhere. */
  notStarted: 0x20,
  /** request: timeoutMs bounds a lone reply or the beginning of a stream, not the stream. */
  untilReply: 0x20,
  /** request: the argument is a stream; response: the reply is one. */
  stream: 0x40,
  /** piece, item, end, credit: `seq` counts the receiver's calls, not the sender's. */
  answer: 0x80,
} as const;

/** An error's message as it may travel. */
export function cutMessage(message: string): string {
  return message.length <= maxMessageChars
    ? message
    : `${message.slice(0, maxMessageChars - 1)}…`;
}
