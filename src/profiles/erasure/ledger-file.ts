/** The ledger of a data directory: a file with a line of JSON for each entry. */
import { open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { makeDirectories } from "../../infra/make-directories.js";
import { syncDirectory } from "../../lib/sync-directory.js";
import { foldLedger, ledgerEntryCodec, type Ledger, type LedgerEntry } from "./ledger.js";

export const openLedgerFile = (path: string): Ledger => {
  const append = async (entry: LedgerEntry): Promise<void> => {
    makeDirectories(dirname(path));
    const file = await open(path, "a", 0o600);
    try {
      // In front, too: a line that a crash cut short is a line of its own then.
      await file.write(`\n${JSON.stringify(entry)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await syncDirectory(dirname(path));
  };
  const read = async () => foldLedger(entriesIn(path, await textOf(path)));
  return {
    find: async (userId) => (await read()).get(userId),
    pages: async function* () {
      yield [...(await read()).values()];
    },
    begin: ({ userId, at, by, reason }) => append({ begun: userId, at, by, reason }),
    destroying: (userId, keys) => append({ destroying: userId, keys: [...keys] }),
    finish: async (userId, certificate, replaced) => {
      const known = (await read()).get(userId)?.certificate;
      if (known !== undefined && known.signature !== replaced?.signature) return known;
      await append({ done: userId, certificate });
      return certificate;
    },
  };
};

const textOf = (path: string): Promise<string> =>
  readFile(path, "utf8").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  });

function* entriesIn(path: string, text: string): Generator<LedgerEntry> {
  const lines = text.split("\n");
  for (const [i, line] of lines.entries()) {
    if (line === "") continue;
    const entry = entryIn(line);
    if (entry !== undefined) yield entry;
    // After a whole line comes an empty one. What was cut short was told as done to nobody.
    else if (lines[i + 1] === "")
      throw new Error(`${path} line ${i + 1} is no entry of an erasure ledger: restore it from a copy`);
  }
}

const entryIn = (line: string): LedgerEntry | undefined => {
  try {
    const json = JSON.parse(line) as unknown;
    return ledgerEntryCodec.is(json) ? json : undefined;
  } catch {
    return undefined;
  }
};
