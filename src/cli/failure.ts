import { withoutSecrets } from "../operate/doctor/redact.js";
import { BadConfig } from "../settings/config.js";

/** Wrong usage or settings, as opposed to 1: it was understood, and something is wrong. */
export const usageExitCode = 2;

/** What ended a command, as its user should read it: a sentence, not a stack. */
export const fail = (error: unknown): never => {
  process.stderr.write(`parley: ${hidingSecrets(error instanceof Error ? error.message : String(error))}\n`);
  process.exit(error instanceof BadConfig ? usageExitCode : 1);
};

/** Drivers quote addresses that they cannot read. */
export const hidingSecrets = (text: string): string => withoutSecrets(process.env)(text);

/** What ended a server that ran, and what to do. `where`: what it writes to. */
export const stopped = (error: Error, where: string): string => {
  if (/\b(disk is full|ENOSPC)\b/.test(error.message))
    return `${error.message}: ${where}. Nothing acknowledged is lost; make room there, then start Parley again.`;
  return `${error.message}. Nothing acknowledged is lost; start Parley again.`;
};
