import type { BackupManifest } from "../../operate/backup/manifest.js";
import type { AgainstWitness } from "../../operate/backup/against-witness.js";
import { aboutWitness } from "../audit/witness.js";
import { grouped, harmless, paint, say } from "../output.js";

export const timeText = (at: number | null): string => (at === null ? "?" : new Date(at).toISOString());

/** What a backup is of, in a line. */
export const aboutBackup = ({ head, headAt, cell, epoch, madeAt }: BackupManifest): string =>
  `made ${timeText(madeAt)}: the log up to position ${grouped(head)} (${timeText(headAt)}), cell ${cell ?? "?"}, epoch ${epoch ?? "none"}`;

export const bytesIn = ({ files }: BackupManifest): number => files.reduce((sum, { bytes }) => sum + bytes, 0);

export const tellWitness = ({ problem, heads, witness }: AgainstWitness): void => {
  if (problem !== undefined) say(paint("red", `WRONG  ${harmless(problem)}`));
  else if (heads === 0) say("It is older than every head, of the witness and its own: nothing can be compared.");
  else say(`It is as ${grouped(heads)} heads, of the witness and its own, sign it.`);
  if (witness !== undefined) say(witness.missing > 0 ? paint("yellow", aboutWitness(witness)) : aboutWitness(witness));
};
