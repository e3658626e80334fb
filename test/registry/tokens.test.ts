import { describe, expect, test } from "bun:test";
import { checkSecret, parseTokens, Tokens } from "../../src/registry/tokens.ts";

const invalid = expect.objectContaining({ code: "invalid_argument" });
const one = "0123456789abcdef";
const two = "fedcba9876543210";

describe("a file of tokens", () => {
  test("has one a line, with or without an owner's name", () => {
    const text = `# ours\n${one}\n\n  billing\t${two}  \r\nbilling 0000${two}`;
    const [first, ...others] = parseTokens(text);
    expect(first).toEqual({
      owner: expect.stringMatching(/^[0-9a-f]{16}$/),
      secret: one,
    });
    expect(others).toEqual([
      { owner: "billing", secret: two },
      { owner: "billing", secret: `0000${two}` },
    ]);
  });

  test("without names, each has its own owner, which does not show it", () => {
    const [first, second] = parseTokens(`${one}\n${two}`);
    expect(first?.owner).not.toBe(second?.owner);
    expect(one).not.toContain(first?.owner);
  });

  test.each([
    "",
    "\n# nothing\n",
    "short",
    `a b ${one}`,
    `b\u00e9n ${one}`,
    `${"n".repeat(65)} ${one}`,
    `${one}\nann ${one}`,
    `${one}\u0000`,
    "x".repeat(513),
  ])("that is none: %j", (text) => {
    expect(() => parseTokens(text)).toThrow(invalid);
  });
});

test("a token that cannot travel is refused, and not shown", () => {
  for (const secret of ["", "0123456789abcde", `${one} ${two}`, `${one}\n`]) {
    try {
      checkSecret(secret);
      expect.unreachable();
    } catch (thrown) {
      expect(thrown).toEqual(invalid);
      if (secret !== "") expect(String(thrown)).not.toContain(secret);
    }
  }
  expect(checkSecret(`${one}-._~+/==`)).toBe(`${one}-._~+/==`);
});

test("each token is its owner's, and others are nobody's", () => {
  const tokens = new Tokens(parseTokens(`ann ${one}\nbob ${two}\nann 1${one}`));
  expect(tokens.ownerOf(one)).toBe("ann");
  expect(tokens.ownerOf(two)).toBe("bob");
  expect(tokens.ownerOf(`1${one}`)).toBe("ann");
  for (const other of ["", `${one}0`, one.slice(1), one.toUpperCase()]) {
    expect(tokens.ownerOf(other)).toBeUndefined();
  }
});
