import { toldHead } from "../../audit/tree/head.js";
import type { TreeHeadSigned } from "../../domain/tree.events.js";
import type { Logger } from "../../gateway/ports.js";
import type { Telemetry } from "../../infra/telemetry.js";
import { createWitness, toFile, toUrl, type WitnessOptions } from "../../infra/tree-witness/witness.js";
import type { TreeSettings } from "../../settings/tree.js";

/** All that the settings name; none of them holds anything up. */
export const startWitnesses = (
  { witnessFile, witnessUrl, witnessS3 }: TreeSettings,
  { logger, telemetry }: { readonly logger: Logger; readonly telemetry: Pick<Telemetry, "counter"> },
) => {
  const failures = telemetry.counter(
    "parley_tree_witness_failures_total",
    "Heads that a witness did not take; each is told again.",
  );
  const onProblem = (error: Error): void => {
    failures(1);
    logger.warn({ err: error }, "a witness did not take a head of the tree; it is told again");
  };
  const witnesses = [
    ...(witnessFile === undefined ? [] : [createWitness({ name: witnessFile, put: toFile(witnessFile), onProblem })]),
    ...(witnessUrl === undefined
      ? []
      : [createWitness({ name: new URL(witnessUrl).host, put: toUrl(witnessUrl), onProblem })]),
    ...(witnessS3 === undefined
      ? []
      : [createWitness({ name: `bucket ${witnessS3.bucket}`, put: toS3WhenTold(witnessS3), onProblem })]),
  ];
  return {
    tell: (head: TreeHeadSigned): void => {
      const line = JSON.stringify(toldHead(head));
      for (const witness of witnesses) witness.tell(line);
    },
    stop: async (): Promise<void> => {
      await Promise.all(witnesses.map((witness) => witness.stop()));
    },
  };
};

/** Who has no such witness does without S3's client. */
const toS3WhenTold = (options: NonNullable<TreeSettings["witnessS3"]>): WitnessOptions["put"] => {
  let put: Promise<WitnessOptions["put"]> | undefined;
  return async (line, stopped) => {
    put ??= import("../../infra/tree-witness/s3.js").then(({ toS3 }) => toS3(options));
    await (
      await put
    )(line, stopped);
  };
};
