/** The ledger of a data directory: a file with a line of JSON for each entry. */
import { open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { makeDirectories } from "../../infra/make-directories.js";
import { syncDirectory } from "../../lib/sync-directory.js";
import { isOfSameLog } from "./lineage.js";
import { foldLedger, ledgerEntryCodec, type Ledger, type LedgerEntry } from "./ledger.js";

/**
 * @param epochsOfLog the epochs of the log that it is opened for. The file may be shared by several logs: each sees its own
 * entries, and those of before entries said whose they are.
 */
export const openLedgerFile = (path: string, epochsOfLog: () => Promise<readonly string[]>): Ledger => {
  const append = async (entry: LedgerEntry): Promise<void> => {
    const log = await epochsOfLog();
    // A log without an epoch could never be met again.
    const line = JSON.stringify(log.length === 0 ? entry : { ...entry, log });
    makeDirectories(dirname(path));
    const file = await open(path, "a", 0o600);
    try {
      // In front, too: a line that a crash cut short is a line of its own then.
      await file.write(`\n${line}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await syncDirectory(dirname(path));
  };
  const read = async () => foldLedger(ofLog(await epochsOfLog(), entriesIn(path, await textOf(path))));
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

function* ofLog(epochs: readonly string[], entries: Iterable<LedgerEntry>): Generator<LedgerEntry> {
  for (const entry of entries) if (isOfSameLog(entry.log, epochs)) yield entry;
}

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
