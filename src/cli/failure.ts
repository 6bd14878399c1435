/** What ended a command, as its user should read it: a sentence, not a stack. */
export const fail = (error: unknown): never => {
  process.stderr.write(`parley: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
};
