const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;
/** `id`, with its letters escaped too: 14 characters at most. */
const maxKeyLength = 14;
const number = /\s*:\s*(-?[\d.eE+-]+)/y;

/**
 * The texts of the numeric ids of the requests in a message, by their place
 * in the batch; 0 where it is none. `text` is JSON.
 *
 * One pass: parsing a second time with a reviver takes half a second for the
 * numbers of a long argument.
 */
export function idTextsOf(text: string): Map<number, string> {
  const found = new Map<number, string>();
  const requestLevel = /^\s*\[/.test(text) ? 2 : 1;
  let level = 0;
  let place = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case quote: {
        const end = stringEnd(text, at);
        if (level === requestLevel && isId(text, at, end)) {
          number.lastIndex = end;
          const id = number.exec(text)?.[1];
          if (id !== undefined) found.set(place, id);
        }
        at = end - 1;
        break;
      }
      case openBrace:
      case openBracket:
        level++;
        break;
      case closeBrace:
      case closeBracket:
        level--;
        break;
      case comma:
        if (level < requestLevel) place++;
    }
  }
  return found;
}

/** Behind the closing quote of the string that opens at `start`. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (text.charCodeAt(at) !== quote) {
    at += text.charCodeAt(at) === backslash ? 2 : 1;
  }
  return at + 1;
}

function isId(text: string, start: number, end: number): boolean {
  return (
    end - start <= maxKeyLength && JSON.parse(text.slice(start, end)) === "id"
  );
}
