import { toldHead } from "../../audit/tree/head.js";
import type { TreeHeadSigned } from "../../domain/tree.events.js";
import type { Logger } from "../../gateway/ports.js";
import type { Telemetry } from "../../infra/telemetry.js";
import { createWitness, toFile, toUrl } from "../../infra/tree-witness/witness.js";
import type { TreeSettings } from "../../settings/tree.js";

/** All that the settings name; none of them holds anything up. */
export const startWitnesses = (
  { witnessFile, witnessUrl }: TreeSettings,
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
