import { version } from "../../package.json";

/** Set by build.ts; there is none where the source is run. */
declare const GEERPC_COMMIT: string;

/** Whether this is the executable that build.ts makes. */
export const isExecutable = typeof GEERPC_COMMIT === "string";

/** `geerpc 0.1.0 (abc1234)`. */
export const versionLine = `geerpc ${version} (${isExecutable ? GEERPC_COMMIT : "source"})`;
