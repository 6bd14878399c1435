import { createHash } from "node:crypto";
import type { Sealed } from "../../domain/kernel/sealed.js";
import { E } from "../../domain/kernel/fp.js";
import { laterOf, type Position, type RecordedEvent } from "../../domain/kernel/stream.js";
import { startDelivery, type DeliveryProjector } from "../delivery/delivery.js";
import type { LostReason } from "../delivery/followups.js";
import { createErasures } from "../delivery/erasures.js";
import { createInboxUpdates } from "../delivery/inbox-updates.js";
import { createReceiptRollups } from "../delivery/receipt-rollups.js";
import type { Bus } from "../ports/bus.js";
import type { EventSource } from "../ports/event-source.js";
import type { ViewReads } from "../ports/view-store.js";
import { asOf } from "./as-of.js";
import { disconnectLine, frameLine, lostLine, undeliverableLine, type Cause } from "./capture-format.js";

export type CaptureDependencies = {
  readonly source: Pick<EventSource, "readStream">;
  /** Views of the replay's own. */
  readonly reads: Pick<ViewReads, "receiptCounts" | "summaries" | "touchedSince" | "members" | "membershipSteps">;
  /** Brings the views up to and with these events. */
  readonly project: (events: readonly RecordedEvent[]) => void | Promise<void>;
};

/** Delivery's effects, turn by turn, as if every user were connected. */
export type Capture = {
  /** The lines of one turn, in an order that depends on the log alone. Throws what delivery or a follow-up fails with. */
  readonly turn: (events: readonly RecordedEvent[]) => Promise<readonly string[]>;
  readonly stop: () => void;
};

/**
 * What stands in place of a sealed text: nothing is opened, and the same text sealed once is the same everywhere. A
 * message's content is JSON text, so this is.
 */
const standIn = (_context: string, { data }: Sealed): string =>
  JSON.stringify(`sealed ${createHash("sha256").update(data).digest("base64url").slice(0, 22)}`);

/**
 * Delivery's own code over a log that ends at each event in turn, with a bus that writes down what it is handed. Each
 * event is delivered alone, and the views follow at the end of the turn, when the receipts of the interval are rolled up.
 */
export const startCapture = (deps: CaptureDependencies, from: Position): Capture => {
  let bound = from;
  let cause: Cause = { position: from };
  let lines: string[] = [];
  let viewsAt = from;
  let failure: Error | undefined;
  const delivered = createMark(from);
  const rollupsDue: (() => Promise<void>)[] = [];
  const viewsReached: (() => void)[] = [];

  const bus: Bus = {
    deliver: (deliveries) => {
      for (const delivery of deliveries) if (delivery.recipients.length > 0) lines.push(frameLine(cause, delivery));
    },
    connected: () => true,
    disconnect: (userId, deviceId) => void lines.push(disconnectLine(cause, userId, deviceId)),
  };
  const source = asOf(deps.source, () => bound);
  const onFailure = (error: Error): void => {
    failure ??= error;
  };
  const onLost = (frame: string) => (count: number, reason: LostReason) => {
    lines.push(lostLine(cause, frame, count, reason));
  };
  const awaitCaughtUp = async (position: Position) => {
    while (viewsAt < position) await new Promise<void>((resolve) => void viewsReached.push(resolve));
    return E.right(undefined);
  };
  const followUps = { bus, reads: deps.reads, awaitCaughtUp, onFailure };
  const rollups = createReceiptRollups({
    ...followUps,
    onLost: onLost("receipt.rollup"),
    schedule: (work) => {
      rollupsDue.push(work);
      return () => undefined;
    },
  });
  const inboxUpdates = createInboxUpdates({ ...followUps, onLost: onLost("inbox.update") });
  const erasures = createErasures({ ...followUps, onLost: onLost("user.erased") });

  let feed: ((events: readonly RecordedEvent[]) => void | Promise<void>) | undefined;
  const delivery: DeliveryProjector = startDelivery({
    source: {
      ...source,
      readAll: notAsked,
      head: () => Promise.resolve(bound),
      subscribe: (_, { onEvents }) => {
        feed = onEvents;
        return { stop: () => undefined };
      },
    },
    bus,
    rollups,
    inboxUpdates,
    erasures: {
      erased: (user, onTold) => {
        // The views follow at the end of the turn: nothing waits for what waits for them.
        onTold();
        erasures.erased(user, () => undefined);
      },
    },
    openNow: standIn,
    open: (context, sealed) => Promise.resolve(standIn(context, sealed)),
    typing: { left: () => undefined },
    onUndeliverable: (_, error) => void lines.push(undeliverableLine(cause, error.message)),
    onFailure,
    share: { from, isMine: () => true, isLate: () => false, onDelivered: delivered.reach },
  });

  const one = async (recorded: RecordedEvent): Promise<void> => {
    cause = recorded;
    bound = recorded.position;
    await feed?.([recorded]);
    await delivered.at(recorded.position);
  };
  const followUp = async (position: Position): Promise<void> => {
    cause = { position };
    viewsAt = laterOf(viewsAt, position);
    for (const resolve of viewsReached.splice(0)) resolve();
    await inboxUpdates.settled();
    await erasures.settled();
    for (let work = rollupsDue.shift(); work !== undefined; work = rollupsDue.shift()) await work();
  };
  const taken = (): readonly string[] => {
    const all = lines;
    lines = [];
    return all;
  };

  return {
    turn: async (events) => {
      for (const recorded of events) await one(recorded);
      const direct = taken();
      await deps.project(events);
      await followUp(events.at(-1)?.position ?? bound);
      if (failure !== undefined) throw failure;
      // Follow-ups of several users and conversations are read side by side: which is first says nothing.
      return [...direct, ...taken().toSorted()];
    },
    stop: () => {
      delivery.stop();
      rollups.stop();
      inboxUpdates.stop();
      erasures.stop();
    },
  };
};

const notAsked = (): never => {
  throw new Error("delivery does not read the log from a position");
};

/** Somebody waits until a position is reached. */
const createMark = (from: Position) => {
  let reached = from;
  let wake: (() => void) | undefined;
  return {
    reach: (position: Position): void => {
      reached = position;
      wake?.();
    },
    at: async (position: Position): Promise<void> => {
      while (reached < position) await new Promise<void>((resolve) => (wake = resolve));
    },
  };
};
