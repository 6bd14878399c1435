import type { Verified } from "../../audit/tree/verify.js";
import { CannotVerify } from "../tree/outside.js";
import { verifyTarget } from "../tree/verify.js";
import type { BackupManifest } from "./manifest.js";

/** How a backup's log stands to heads that a witness kept. */
export type AgainstWitness = {
  /** Where it is another log than the one that the witness saw, or than its own heads sign. */
  readonly problem?: string;
  /** Heads of the witness, and the log's own, that it was compared with. */
  readonly heads: number;
  /** Missing is what no backup has that is older than the head: it makes no problem. */
  readonly witness?: NonNullable<Verified["witness"]>;
};

/**
 * Reads the whole log of a backup against the heads in a file.
 * @param onProgress events
 * @throws (rejects) CannotVerify, Error
 */
export const compareWithWitness = async (
  dir: string,
  { profile }: Pick<BackupManifest, "profile">,
  witnessFile: string,
  onProgress: (leaves: number) => void = () => undefined,
): Promise<AgainstWitness> => {
  if (profile !== "embedded")
    throw new CannotVerify(
      "the log of the distributed profile is EventStoreDB's, not this backup's: once the engines are restored, parley audit verify --profile distributed --witness FILE",
    );
  const { finding, heads, witnessed, witness } = await verifyTarget(
    { profile: "embedded", dir },
    { witnessFile, onProgress },
  );
  return {
    heads: heads + witnessed,
    ...(finding === undefined || finding.kind === "truncated" ? {} : { problem: finding.says }),
    ...(witness === undefined ? {} : { witness }),
  };
};
