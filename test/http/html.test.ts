import { expect, test } from "bun:test";
import { html } from "../../src/http/html.ts";

test("what is put in is escaped, also inside an attribute", () => {
  expect(html`<b title="${`"'<>&`}">${"<i>"}</b>`.text).toBe(
    `<b title="&quot;&#39;&lt;&gt;&amp;">&lt;i&gt;</b>`,
  );
});

test("HTML, lists of it and numbers are put in as they are", () => {
  expect(html`<p>${html`<i></i>`}${[html`a`, html`b`]}${3}</p>`.text).toBe(
    "<p><i></i>ab3</p>",
  );
});

test("what cannot be seen, or turns the line around, is shown", () => {
  expect(html`${"a\u202eb\u0000\n\u2028\u200b\ud800é😀"}`.text).toBe(
    "a\\u{202e}b\\u{0}\\u{a}\\u{2028}\\u{200b}\\u{d800}é😀",
  );
});
