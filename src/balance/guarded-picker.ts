import type { Endpoint } from "../discovery/discovery.ts";
import { RpcError } from "../errors.ts";
import type { PickedCall, Picker } from "./picker.ts";

/**
 * A user's picker as the library calls it.
 *
 * What it throws while it picks is the call's failure, and so is a pick that
 * is none of the servers given: a call that could go to anybody would never
 * have been everywhere. What it throws where it is told of calls and lists
 * costs no call and not the process, but becomes a warning of the process. O(n)
 * a pick beside its own.
 */
export class GuardedPicker implements Picker {
  readonly #picker: Picker;
  readonly started: Picker["started"];
  readonly ended: Picker["ended"];
  readonly retain: Picker["retain"];

  constructor(picker: Picker) {
    this.#picker = picker;
    const { started, ended, retain } = picker;
    if (started !== undefined) {
      this.started = (...told) => warn(() => started.apply(picker, told));
    }
    if (ended !== undefined) {
      this.ended = (...told) => warn(() => ended.apply(picker, told));
    }
    if (retain !== undefined) {
      this.retain = (...told) => warn(() => retain.apply(picker, told));
    }
  }

  /** @throws RpcError as the picker; internal (sent: false)  it threw something else, or picked nobody of `endpoints` */
  pick(endpoints: readonly Endpoint[], call: PickedCall): Endpoint {
    let picked: Endpoint | undefined;
    try {
      picked = this.#picker.pick(endpoints, call);
    } catch (thrown) {
      const own = RpcError.own(thrown);
      if (own !== undefined) throw own;
      const { message } = RpcError.from(thrown);
      throw failure(`the picker threw: ${message}`, thrown);
    }
    if (endpoints.includes(picked)) return picked;
    throw failure("the picker picked none of the servers that it was given");
  }
}

function warn(tell: () => void): void {
  try {
    tell();
  } catch (thrown) {
    const { message } = RpcError.from(thrown);
    process.emitWarning(
      new Error(`a picker threw: ${message}`, { cause: thrown }),
    );
  }
}

function failure(message: string, cause?: unknown): RpcError {
  return new RpcError("internal", message, { sent: false, cause });
}
