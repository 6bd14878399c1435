import { accessSync, constants, existsSync } from "node:fs";
import { dirname } from "node:path";
import type { TreeSettings } from "../../settings/tree.js";
import type { Check } from "./check.js";
import { probe } from "./probe.js";

const name = "tree witness";
const mends = {
  away: "Start the S3 server, and check PARLEY_TREE_WITNESS_S3_URL and PARLEY_TREE_WITNESS_S3_REGION; heads are told again meanwhile",
  refused: "Check PARLEY_TREE_WITNESS_S3_ACCESS_KEY and _SECRET_KEY, and what these keys may do with the bucket",
  tls: "Name the authority of its certificate by NODE_EXTRA_CA_CERTS=FILE, and in PARLEY_TREE_WITNESS_S3_URL the host as the certificate has it",
};
const requestMsMax = 2_000;

/** Whether those that heads are told to could take one. Nothing is written; an HTTP witness is not asked. */
export const checkWitnesses = async ({
  witnessFile,
  witnessUrl,
  witnessS3,
}: TreeSettings): Promise<readonly Check[]> => [
  ...(witnessFile === undefined ? [] : [checkFile(witnessFile)]),
  ...(witnessUrl === undefined
    ? []
    : [{ name, state: "ok" as const, says: `heads are posted to ${new URL(witnessUrl).host}; it is not asked here` }]),
  ...(witnessS3 === undefined ? [] : await checkBucket(witnessS3)),
];

const checkFile = (path: string): Check => {
  try {
    accessSync(existsSync(path) ? path : dirname(path), constants.W_OK);
    return { name, state: "ok", says: `heads are appended to ${path}` };
  } catch {
    const mend = `Make its directory, or let this user write there; or name another PARLEY_TREE_WITNESS_FILE`;
    return { name, state: "wrong", says: `${path} cannot be written by this user`, mend };
  }
};

const checkBucket = async (options: NonNullable<TreeSettings["witnessS3"]>): Promise<readonly Check[]> => {
  const { bucket, mode, days } = options;
  const { checks } = await probe(name, mends, async () => {
    const { openLockedObjects } = await import("../../infra/blob-store/s3/locked-objects.js");
    const problem = await openLockedObjects({ ...options, requestMsMax }).problem();
    const says = `heads are put into the bucket ${bucket}, locked for ${days} days (${mode})`;
    return problem === undefined
      ? { checks: [{ name, state: "ok", says }] }
      : {
          checks: [
            {
              name,
              state: "wrong",
              says: `no head is kept: ${problem}`,
              mend: "Name a bucket with object lock by PARLEY_TREE_WITNESS_S3_BUCKET",
            },
          ],
        };
  });
  return checks;
};
