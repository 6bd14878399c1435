import { byOperatorCodec, type ByOperator } from "../../domain/kernel/by.js";
import { t } from "../../domain/kernel/fp.js";
import type { UserId } from "../../domain/kernel/ids.js";

export const certificateCodec = t.type({
  /** The exact text that is signed. */
  statement: t.string,
  keyId: t.string,
  publicKey: t.string,
  signature: t.string,
});
export type Certificate = Readonly<t.TypeOf<typeof certificateCodec>>;

export const ledgerEntryCodec = t.intersection([
  t.union([
    t.type({ begun: t.string, at: t.number, by: byOperatorCodec, reason: t.string }),
    t.type({ destroying: t.string, keys: t.array(t.string) }),
    t.type({ done: t.string, certificate: certificateCodec }),
  ]),
  /** The epochs that the log had had. Entries of before have none. */
  t.partial({ log: t.array(t.string) }),
]);
/** As it is kept: one after the other, and none is ever changed. */
export type LedgerEntry = Readonly<t.TypeOf<typeof ledgerEntryCodec>>;

export type Begun = Readonly<{ userId: UserId; at: number; by: ByOperator; reason: string }>;
export type KnownErasure = Begun & {
  /** Ids of all keys that were ever about to be destroyed. */
  readonly keys: readonly string[];
  /** Of an erasure that is done: the newest one. */
  readonly certificate?: Certificate;
};

/**
 * The erasure ledger: what is erased, kept where no backup takes it along, so that it stays erased though the log and the
 * keys come back from before. Each write is durable when it resolves, and is told to every later read.
 */
export type Ledger = {
  /** @throws (rejects) Error that names the entry which is none */
  readonly find: (userId: UserId) => Promise<KnownErasure | undefined>;
  /** All of them. @throws (rejects) as `find` does */
  readonly pages: () => AsyncIterable<readonly KnownErasure[]>;
  /** From here on the erasure will be done, whatever ends this process. */
  readonly begin: (begun: Begun) => Promise<void>;
  /** Before the keys are: a certificate is to name them though nobody could list them any more. */
  readonly destroying: (userId: UserId, keys: readonly string[]) => Promise<void>;
  /**
   * @param replaced what the caller has found; where another operator has certified it since, that one stays
   * @returns the certificate that stands
   */
  readonly finish: (userId: UserId, certificate: Certificate, replaced?: Certificate) => Promise<Certificate>;
};

/** What entries in the order of their writing say. */
export const foldLedger = (entries: Iterable<LedgerEntry>): ReadonlyMap<UserId, KnownErasure> => {
  const erasures = new Map<UserId, KnownErasure>();
  const change = (userId: UserId, of: (known: KnownErasure) => KnownErasure): void => {
    const known = erasures.get(userId);
    if (known !== undefined) erasures.set(userId, of(known));
  };
  for (const entry of entries) {
    if ("begun" in entry) {
      const { begun: userId, at, by, reason } = entry;
      erasures.set(userId, { userId, at, by, reason, keys: erasures.get(userId)?.keys ?? [] });
    } else if ("destroying" in entry)
      change(entry.destroying, (known) => ({ ...known, keys: [...new Set([...known.keys, ...entry.keys])] }));
    else change(entry.done, (known) => ({ ...known, certificate: entry.certificate }));
  }
  return erasures;
};
