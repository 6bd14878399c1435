import { createHash } from "node:crypto";
import { join } from "node:path";

/** Embedded: `PARLEY_ERASURE_LEDGER`, better on another disk than the data directory; else in it. */
export const erasureLedgerOf = (dir: string, env: NodeJS.ProcessEnv): string => {
  const { PARLEY_ERASURE_LEDGER: given } = env;
  return given === undefined || given === "" ? join(dir, "erasures.ndjson") : given;
};

/** What MongoDB allows; two long names that begin alike may not become one. */
const databaseNameMax = 63;
const suffix = "-erasures";

/**
 * Distributed: the database that `PARLEY_ERASURE_LEDGER` names, better on a server whose disk is not restored with the
 * other's; else one beside Parley's own, which a dump of that one leaves out.
 */
export const erasureLedgerBeside = (
  { url, database }: { readonly url: string; readonly database: string },
  given: string,
): { readonly url: string; readonly database: string } => {
  const beside = `${database}${suffix}`;
  const short = createHash("sha256")
    .update(database)
    .digest("hex")
    .slice(0, databaseNameMax - suffix.length);
  const named = beside.length <= databaseNameMax ? beside : `${short}${suffix}`;
  if (given === "") return { url, database: named };
  const [, inAddress] = /^mongodb(?:\+srv)?:\/\/[^/]+\/([^?]+)/.exec(given) ?? [];
  return { url: given, database: inAddress === undefined ? named : decodeURIComponent(inAddress) };
};
