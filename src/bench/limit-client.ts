import type { Clock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import type { Pipe, PipeHandler } from "../transport/pipe.ts";
import { WholeCount, FrameWriter } from "./limit-frames.ts";
import { encodeGreeting, type LimitFrames } from "./limit-server.ts";
import type { Slice } from "./slices.ts";

/**
 * The most that a connection could do if calls and streams cost nothing: as
 * many requests in flight as there would be calls, of the same sizes, with
 * nothing in them. The answers in each chunk are answered with as many
 * requests in one write, so the count in flight stays what it is.
 */
export class LimitClient implements PipeHandler {
  readonly #pipe: Pipe;
  readonly #clock: Clock;
  readonly #responses: WholeCount;
  /** Counts requests as answered, by their answers. */
  readonly #answered: WholeCount;
  readonly #requests: FrameWriter;
  readonly #frames: LimitFrames;
  #isGone: RpcError | undefined;
  #run: PromiseWithResolvers<Slice> | undefined;
  #startedAt = 0;
  #until = 0;
  #count = 0;
  #waitingFor = 0;

  constructor(pipe: Pipe, frames: LimitFrames, clock: Clock) {
    this.#pipe = pipe;
    this.#clock = clock;
    this.#frames = frames;
    this.#responses = new WholeCount(frames.response);
    this.#answered = new WholeCount(frames.responsesPerRequest);
    this.#requests = new FrameWriter(pipe, frames.request);
    pipe.attach(this);
    // The first bytes of a fresh connection always fit.
    pipe.write(encodeGreeting(frames));
  }

  /** Answers to frames that are still to come. */
  get waitingFor(): number {
    return this.#waitingFor;
  }

  /**
   * Keeps `inFlight` requests going round for `durationMs`, then waits for the
   * last of their answers, which are what it counts. One run at a time.
   *
   * @throws RpcError unavailable  the connection was lost
   */
  run(inFlight: number, durationMs: number): Promise<Slice> {
    if (this.#isGone !== undefined) return Promise.reject(this.#isGone);
    this.#run = Promise.withResolvers<Slice>();
    this.#startedAt = this.#clock.now();
    this.#until = this.#startedAt + durationMs;
    this.#count = 0;
    this.#send(inFlight);
    return this.#run.promise;
  }

  data(chunk: Uint8Array): void {
    const frames = this.#responses.push(chunk.length);
    if (frames === 0) return;
    this.#count += frames;
    this.#waitingFor -= frames;
    const requests = this.#answered.push(frames);
    const now = this.#clock.now();
    if (now < this.#until) this.#send(requests);
    else if (this.#waitingFor === 0) {
      this.#run?.resolve({
        count: this.#count,
        elapsedMs: now - this.#startedAt,
      });
    }
  }

  drain(): void {
    this.#requests.drain();
  }

  end(): void {
    this.#pipe.shutdown();
  }

  close(error: RpcError | undefined): void {
    this.#isGone =
      error ?? new RpcError("unavailable", "the raw connection was closed");
    this.#run?.reject(this.#isGone);
  }

  /** Ends the connection, and with it a run. */
  shutdown(): void {
    this.#pipe.abort();
  }

  #send(requests: number): void {
    this.#waitingFor += requests * this.#frames.responsesPerRequest;
    this.#requests.write(requests);
  }
}
