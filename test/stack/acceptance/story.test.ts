/** The story of the embedded profile, step by step the same, where every message crosses processes. */
import { randomUUID } from "node:crypto";
import { describe } from "vitest";
import { eraseUserIn } from "../../../src/commands/erase.js";
import { openEventStoreDb } from "../../../src/infra/event-log/eventstoredb/event-log.js";
import { acceptanceStory } from "../../acceptance/story.js";
import { clusterEngines, startCluster } from "../../kit/cluster.js";

describe.skipIf(!clusterEngines())("the distributed profile", () => {
  acceptanceStory("three devices talk through two gateways and two projectors", async () => {
    const cluster = await startCluster({ gateways: 2, projectors: 2 });
    // Alice's devices have no gateway in common; bob's is another one than that of the phone, which writes most.
    const doors = { phone: cluster.door(0), laptop: cluster.door(1), bob: cluster.door(1) };
    const erase = async (userId: string): Promise<void> => {
      const log = openEventStoreDb({ url: cluster.source.eventStoreUrl });
      const by = { kind: "operator" } as const;
      await eraseUserIn(log, Date.now, { uuid: randomUUID })({ userId, reason: "Art. 17", by }).finally(log.close);
    };
    return { ...cluster, doors, erase };
  });
});
