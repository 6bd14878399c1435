import type { Verified } from "../../operate/tree/verify.js";
import { grouped } from "../output.js";

/** What `--witness` takes, wherever it is. */
export const witnessOption =
  "heads that a witness kept, or one: a JSON text a line (PARLEY_TREE_WITNESS_FILE), or what parley audit head --json printed";

/** How the log stands to the newest head that a witness kept. */
export const aboutWitness = ({ size, at, missing, since }: NonNullable<Verified["witness"]>): string => {
  const newest = `the witness's newest head (${grouped(size)} events, ${new Date(at).toISOString()})`;
  return missing === 0
    ? `The log goes on from ${newest}: ${grouped(since)} events since.`
    : `Of ${newest} ${grouped(missing)} events are missing.`;
};
