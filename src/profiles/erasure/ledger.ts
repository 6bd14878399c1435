/**
 * The erasure ledger: a line of JSON for each erasure that began, and one for each that was done, in a file that no backup
 * takes with it. What was erased stays so though the log and the keys come back from before.
 */
import { open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { byOperatorCodec } from "../../domain/kernel/by.js";
import { t } from "../../domain/kernel/fp.js";
import type { UserId } from "../../domain/kernel/ids.js";
import { syncDirectory } from "../../lib/sync-directory.js";
import { makeDirectories } from "../../infra/make-directories.js";

export const certificateCodec = t.type({
  /** The exact text that is signed. */
  statement: t.string,
  keyId: t.string,
  publicKey: t.string,
  signature: t.string,
});
export type Certificate = Readonly<t.TypeOf<typeof certificateCodec>>;

const entryCodec = t.union([
  t.type({ begun: t.string, at: t.number, by: byOperatorCodec, reason: t.string }),
  t.type({ done: t.string, certificate: certificateCodec }),
]);
type Entry = Readonly<t.TypeOf<typeof entryCodec>>;

export type Begun = Readonly<{ userId: UserId; at: number; by: t.TypeOf<typeof byOperatorCodec>; reason: string }>;
export type Erasure = Begun & { readonly certificate?: Certificate };

export type Ledger = {
  /** By user, as last told. @throws (rejects) Error that names the line which is none */
  readonly read: () => Promise<ReadonlyMap<UserId, Erasure>>;
  /** Durable when they resolve. */
  readonly begin: (begun: Begun) => Promise<void>;
  readonly finish: (userId: UserId, certificate: Certificate) => Promise<void>;
};

export const openLedger = (path: string): Ledger => {
  const append = async (entry: Entry): Promise<void> => {
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
  return {
    read: async () => {
      const text = await readFile(path, "utf8").catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
        throw error;
      });
      const erasures = new Map<UserId, Erasure>();
      const lines = text.split("\n");
      for (const [i, line] of lines.entries()) {
        if (line === "") continue;
        const entry = entryIn(line);
        if (entry === undefined) {
          // After a whole line comes an empty one. What was cut short was told as done to nobody.
          if (lines[i + 1] !== "") continue;
          throw new Error(`${path} line ${i + 1} is no entry of an erasure ledger: restore it from a copy`);
        }
        if ("begun" in entry) {
          const { begun: userId, ...begun } = entry;
          erasures.set(userId, { userId, ...begun });
        } else {
          const known = erasures.get(entry.done);
          if (known !== undefined) erasures.set(entry.done, { ...known, certificate: entry.certificate });
        }
      }
      return erasures;
    },
    begin: ({ userId, ...begun }) => append({ begun: userId, ...begun }),
    finish: (userId, certificate) => append({ done: userId, certificate }),
  };
};

const entryIn = (line: string): Entry | undefined => {
  try {
    const json = JSON.parse(line) as unknown;
    return entryCodec.is(json) ? json : undefined;
  } catch {
    return undefined;
  }
};
