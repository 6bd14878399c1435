import { LRUCache } from "lru-cache";
import { entriesMax } from "../lib/lru.js";
import type { ContentDamaged } from "../commands/sealing/sealing.js";
import type { Logger } from "../gateway/ports.js";
import type { Telemetry } from "../infra/telemetry.js";

/** What was sealed is looked at often: the log has it once, the metric every time. */
const saidMax = 1_000;

/** Says that content does not open; readers see it as gone. */
export const damagedContent = (
  logger: Logger,
  telemetry: Pick<Telemetry, "counter">,
): ((error: ContentDamaged) => void) => {
  const count = telemetry.counter(
    "parley_content_damaged_total",
    "Times that sealed content did not open and was shown as gone.",
  );
  const said = new LRUCache<string, true>(entriesMax(saidMax));
  return (error) => {
    count(1);
    if (said.has(error.context)) return;
    said.set(error.context, true);
    logger.error({ err: error, sealedAs: error.context }, "sealed content does not open; it is shown as gone");
  };
};
