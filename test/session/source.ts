import { Feed } from "./feed.ts";

/** Items that are given at one end of a stream, each with its number. */
export class Source {
  readonly feed: Feed;
  given = 0;
  how: "open" | "ended" | "failed" = "open";

  constructor(feed = new Feed()) {
    this.feed = feed;
  }

  give(text: string): void {
    this.feed.give([this.given++, text]);
  }

  end(): void {
    this.how = "ended";
    this.feed.end();
  }

  fail(thrown: unknown): void {
    this.how = "failed";
    this.feed.fail(thrown);
  }
}
