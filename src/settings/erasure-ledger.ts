import { join } from "node:path";

/** `PARLEY_ERASURE_LEDGER`, better on another disk than the data directory; else in it. */
export const erasureLedgerOf = (dir: string, env: NodeJS.ProcessEnv): string => {
  const { PARLEY_ERASURE_LEDGER: given } = env;
  return given === undefined || given === "" ? join(dir, "erasures.ndjson") : given;
};
