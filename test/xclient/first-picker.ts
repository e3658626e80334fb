import type { Picker } from "../../src/balance/picker.ts";
import { nobodyError } from "../../src/balance/picker.ts";
import { registerPicker, selectModes } from "../../src/balance/select-mode.ts";

/** Picks the first in the list: tests then know where a call goes first. */
export const firstMode = "first-listed";

if (!selectModes().includes(firstMode)) {
  registerPicker(firstMode, (): Picker => ({
    pick: ([endpoint], call) => {
      if (endpoint !== undefined) return endpoint;
      throw nobodyError(call);
    },
  }));
}
