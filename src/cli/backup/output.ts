import type { BackupManifest } from "../../operate/backup/manifest.js";
import { grouped } from "../output.js";

export const timeText = (at: number | null): string => (at === null ? "?" : new Date(at).toISOString());

/** What a backup is of, in a line. */
export const aboutBackup = ({ head, headAt, cell, epoch, madeAt }: BackupManifest): string =>
  `made ${timeText(madeAt)}: the log up to position ${grouped(head)} (${timeText(headAt)}), cell ${cell ?? "?"}, epoch ${epoch ?? "none"}`;

export const bytesIn = ({ files }: BackupManifest): number => files.reduce((sum, { bytes }) => sum + bytes, 0);
