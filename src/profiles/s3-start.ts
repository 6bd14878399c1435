import type { Logger } from "../gateway/ports.js";
import { openS3 } from "../infra/blob-store/s3/blob-store.js";
import type { DistributedConfig } from "../settings/distributed.js";
import { reasonOf } from "../lib/errors.js";

/**
 * Tries in the background what Parley needs of the S3 server, and makes the bucket if it may; each feature that is missing
 * is said with its fix, as a warning where Parley needs it. Nothing waits for it, and nothing fails with it.
 */
export const checkS3AtStart = ({ s3 }: Pick<DistributedConfig, "s3">, logger: Pick<Logger, "warn" | "info">): void => {
  if (s3 === undefined) return;
  const check = async (): Promise<void> => {
    const { missing } = await openS3(s3).conformance();
    for (const { feature, needed, problem, fix } of missing)
      logger[needed ? "warn" : "info"]({ feature, needed, problem, fix }, "the S3 server lacks something");
  };
  check().catch((error: unknown) => {
    // An address that cannot be read is quoted by what could not read it, with its password.
    const problem = reasonOf(error).replace(/".*"/s, "what PARLEY_S3_URL says");
    logger.warn({ problem, fix: "Check PARLEY_S3_URL" }, "the S3 server could not be checked");
  });
};
