import type { Verified } from "../../operate/tree/verify.js";
import { counted } from "../output.js";

/** What `--witness` takes, wherever it is. */
export const witnessOption =
  "heads that a witness kept, or one: a JSON text a line (PARLEY_TREE_WITNESS_FILE), or what parley audit head --json printed";

/** How the log stands to the newest head that a witness kept. */
export const aboutWitness = ({ size, at, missing, since }: NonNullable<Verified["witness"]>): string => {
  const newest = `the witness's newest head (${counted(size, "event")}, ${new Date(at).toISOString()})`;
  return missing === 0
    ? `The log goes on from ${newest}: ${counted(since, "event")} since.`
    : `Of ${newest} ${counted(missing, "event")} ${missing === 1 ? "is" : "are"} missing.`;
};
