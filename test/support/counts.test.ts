import { expect, test } from "bun:test";
import { readCounts } from "./counts.ts";

const xml = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="5" assertions="1" failures="1" skipped="2" time="0.0">
  <testsuite name="j.test.ts" file="j.test.ts" tests="5" assertions="1" failures="1" skipped="2">
    <testcase name="a" classname="" time="0" file="j.test.ts" line="2" assertions="0" />
    <testcase name="b &lt;&amp;&gt;" classname="" time="0" file="j.test.ts" line="2" assertions="0">
      <skipped />
    </testcase>
    <testcase name="c" classname="" time="0" file="j.test.ts" line="2" assertions="1">
      <failure type="AssertionError" message="expect(received)">text</failure>
    </testcase>
    <testcase name="d" classname="" time="0" file="k.test.ts" line="2" assertions="0">
      <skipped message="TODO" />
    </testcase>
    <testcase name="e" classname="" time="0" file="j.test.ts" line="2" assertions="0" />
  </testsuite>
</testsuites>`;

test("counts and names are read from the report", () => {
  expect(readCounts(xml, " 2 pass\n 1 fail\n", 1)).toEqual({
    passed: 2,
    failed: 1,
    skipped: 2,
    skippedNames: ["j.test.ts › b <&>", "k.test.ts › d"],
  });
});

test("a file that cannot be loaded counts as failed", () => {
  expect(readCounts(xml, " 2 pass\n 3 fail\n 2 error\n", 1).failed).toBe(3);
});

test("a run that ends badly has failed, whatever it counted", () => {
  const green = xml.replaceAll('failures="1"', 'failures="0"');
  expect(readCounts(green, "", 0).failed).toBe(0);
  expect(readCounts(green, "", 1).failed).toBe(1);
  expect(readCounts("", "", 1)).toMatchObject({ passed: 0, failed: 1 });
});

test("no tests at all are a failure", () => {
  expect(readCounts("", "", 0).failed).toBe(1);
});
