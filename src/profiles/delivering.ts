import type { SnapshotStore } from "../commands/ports.js";
import type { Sealing } from "../commands/sealing/sealing.js";
import { createSnapshots } from "../commands/snapshots.js";
import { conversationSnapshot } from "../domain/conversation/conversation.snapshot.js";
import { streamOf } from "../domain/kernel/stream.js";
import type { Logger } from "../gateway/ports.js";
import { startDelivery, type DeliveryDependencies, type DeliveryProjector } from "../projections/delivery/delivery.js";
import type { LostReason } from "../projections/delivery/followups.js";
import { createErasures } from "../projections/delivery/erasures.js";
import { createInboxUpdates } from "../projections/delivery/inbox-updates.js";
import { createReceiptRollups } from "../projections/delivery/receipt-rollups.js";
import { membershipOf, type FindMembership } from "../projections/delivery/memberships.js";
import type { Typing } from "../gateway/ephemeral/typing.js";
import type { Bus } from "../projections/ports/bus.js";
import type { EventSource } from "../projections/ports/event-source.js";
import type { ViewReads } from "../projections/ports/view-store.js";
import { closedForErased } from "../projections/queries/closed-for-erased.js";
import type { Queries } from "../projections/queries/queries.js";
import type { Telemetry } from "../infra/telemetry.js";

export type DeliveringWith = {
  readonly source: EventSource;
  readonly reads: ViewReads;
  readonly bus: Bus;
  readonly queries: Pick<Queries, "awaitCaughtUp">;
  readonly sealing: Sealing;
  /** The commands' own: they shorten delivery's folds as well. */
  readonly snapshots: SnapshotStore;
  readonly typing: Pick<Typing, "left">;
  readonly logger: Logger;
  readonly onFollowUpsLost: (type: FollowUp, count: number, reason: LostReason) => void;
  /** Called once, when delivery cannot go on. */
  readonly onStopped?: (error: Error) => void;
};

/** Delivery from the log, of all of it from some place on or of a share, and what follows the views beside it; `stop` ends all of these. */
export const startDelivering = (
  { source, reads, bus, queries, sealing, snapshots, typing, logger, onFollowUpsLost, onStopped }: DeliveringWith,
  where: Pick<DeliveryDependencies, "share" | "resumed">,
): DeliveryProjector => {
  const { awaitCaughtUp } = queries;
  let stopped = false;
  const warn = (message: string) => (error: Error) => {
    // What was under way at the end finds the engines closed; a sync brings the numbers.
    if (!stopped) logger.warn({ err: error }, message);
  };
  const lost = (type: FollowUp) => (count: number, reason: LostReason) => {
    onFollowUpsLost(type, count, reason);
  };
  const rollups = createReceiptRollups({
    ...{ bus, reads, awaitCaughtUp, onLost: lost("receipt.rollup") },
    onFailure: warn("a receipt roll-up could not be made"),
  });
  const inboxUpdates = createInboxUpdates({
    ...{ bus, reads, awaitCaughtUp, onLost: lost("inbox.update") },
    onFailure: warn("an inbox update could not be made"),
  });
  const erasures = createErasures({
    ...{ bus, reads, awaitCaughtUp, onLost: lost("user.erased") },
    onFailure: warn("who has to hear of an erasure cannot be told now; it is tried again"),
  });
  const delivery = startDelivery({
    ...{ source, bus, rollups, typing, inboxUpdates, erasures, ...where },
    findMembership: findIn(snapshots, warn("a snapshot could not be read")),
    openNow: sealing.openNow,
    // A message that waited may be of one who was erased since. Where the views cannot say so, the devices are told
    // afterwards, as with a message that came before the erasure.
    open: closedForErased(sealing.open, { erasedAmong: (ids) => reads.erasedAmong(ids).catch(() => []) }),
    onUndeliverable: ({ stream, revision }, error) => {
      // What waits at the end has no socket to go to: its devices sync when they come back.
      if (stopped) return;
      logger.error({ stream, revision, err: error }, "an event could not be delivered; its devices heal by sync");
    },
    onFailure: (error) => {
      logger.error({ err: error }, "delivery has stopped");
      onStopped?.(error);
    },
  });
  return {
    position: delivery.position,
    stop: () => {
      stopped = true;
      delivery.stop();
      rollups.stop();
      inboxUpdates.stop();
      erasures.stop();
    },
  };
};

type FollowUp = "inbox.update" | "receipt.rollup" | "user.erased";

/** Counts frames that were not made, for all starts of delivery in a process. */
export const followUpsLostIn = ({ counter }: Pick<Telemetry, "counter">): DeliveringWith["onFollowUpsLost"] => {
  const lost = counter(
    "parley_followups_lost_total",
    "Frames with numbers of the views that were not made; devices learn them from the next change or a sync.",
    ["type", "reason"],
  );
  return (type, count, reason) => {
    lost(count, type, reason);
  };
};

const findIn = (store: SnapshotStore, onFailure: (error: Error) => void): FindMembership => {
  const snapshots = createSnapshots(store, conversationSnapshot, onFailure);
  return async (conversationId) => {
    const found = await snapshots.find(streamOf.conversation(conversationId));
    if (found?.state.situation !== "started") return undefined;
    return { membership: membershipOf(found.state), eventId: found.eventId };
  };
};
