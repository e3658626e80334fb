/**
 * Characters that do something to a terminal or to the order in which text is
 * read, rather than show: control characters, line and paragraph separators,
 * and those that turn the writing direction (trojansource.codes).
 */
const active =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

const maxTextLength = 2_000;

/** A stranger's text as one harmless line: active characters as `\u001b`, and cut where it is long. */
export function escapeText(text: string): string {
  return escapeActive(
    text.length <= maxTextLength
      ? text
      : `${text.slice(0, maxTextLength - 1)}…`,
  );
}

/** Active characters in JSON's notation, which inside a JSON string changes nothing. */
export function escapeActive(text: string): string {
  return text.replace(
    active,
    (character) =>
      `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
