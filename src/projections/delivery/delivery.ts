import { decodeConversationEvent, decodeReceiptsEvent, decodeUserEvent } from "../../domain/catalogue.js";
import type { ConversationId, UserId } from "../../domain/kernel/ids.js";
import type { Sealed } from "../../domain/kernel/sealed.js";
import { noPosition, streamId, type Position, type RecordedEvent } from "../../domain/kernel/stream.js";
import { asError } from "../../lib/errors.js";
import type { Bus, Delivery } from "../ports/bus.js";
import type { EventSource } from "../ports/event-source.js";
import type { OpenContent } from "../ports/open-content.js";
import { whileAway } from "../keep-trying.js";
import { readingAtMost } from "./bounded-reads.js";
import { deletionsAfter, deletionsIn, type Deletions } from "./deletions.js";
import { userDeliveries } from "./deliveries.js";
import type { Erasures } from "./erasures.js";
import { createHeldCheckpoint } from "./held-checkpoint.js";
import type { InboxUpdates } from "./inbox-updates.js";
import { createBacklog } from "./backlog.js";
import { createReadPrivacy, type ReadPrivacy } from "./read-privacy.js";
import { createProgress, type Progress } from "./progress.js";
import type { ReceiptRollups } from "./receipt-rollups.js";
import { createMemberships, type FindMembership, type Memberships } from "./memberships.js";
import { createFramesOfEvent, isReceipts } from "./frames-of-event.js";

export type DeliveryDependencies = {
  readonly source: EventSource;
  readonly bus: Bus;
  /** What this process sealed a moment ago needs no key and no waiting. */
  readonly openNow: (context: string, sealed: Sealed) => string | undefined;
  readonly open: OpenContent;
  /** Omitted: memberships are folded from the start of their streams. */
  readonly findMembership?: FindMembership;
  readonly inboxUpdates: Pick<InboxUpdates, "readMoved">;
  readonly rollups: Pick<ReceiptRollups, "advanced">;
  readonly erasures: Pick<Erasures, "erased">;
  /** The gateway's: a member who left is told of no typing more, and what they typed ends. */
  readonly typing: { readonly left: (conversationId: ConversationId, userId: UserId) => void };
  /** An event that could not be delivered: it is passed over, and the devices heal by sync. */
  readonly onUndeliverable: (event: RecordedEvent, error: Error) => void;
  readonly onFailure: (error: Error) => void;
  /** Where several projectors share the work; omitted: everything, from the log's head on. */
  readonly share?: DeliveryShare;
  /** Without a share: where an earlier delivery of this process ended. */
  readonly resumed?: Resumed;
  /** Events that wait for something to be read; for tests. */
  readonly waitingEventsMax?: number;
};

/** Events after `from` are delivered. Those up to `head` happened a while ago: the log is asked what was deleted since. */
export type Resumed = { readonly from: Position; readonly head: Position };

/** One projector's part of the log. */
export type DeliveryShare = {
  /** Events after it are delivered: a device may get a frame again, and drops what it has by `pos`. */
  readonly from: Position;
  /** Of the others only privacy is followed. */
  readonly isMine: (recorded: RecordedEvent) => boolean;
  /** It happened a while ago: what was deleted since stands in later batches, so the log is asked. */
  readonly isLate: (recorded: RecordedEvent) => boolean;
  /** Each frame up to this position was answered or given up; with ever greater positions, and never after `stop`. */
  readonly onDelivered: (position: Position) => void;
};

/** Pages of the log that are being read at once, for all conversations that wait for one. */
const pagesAtOnceMax = 32;
/** Events of a share whose frames are under way; beyond them the log is not read on. */
const underWayMax = 2_000;

export type DeliveryProjector = {
  /** Of the last event that was looked at; what waits in the backlog is not delivered yet. */
  readonly position: () => Position;
  /** Nothing is delivered any more, what waits neither. */
  readonly stop: () => void;
};

/**
 * Follows the log from its head and hands each change's frames to the bus, in `pos` order for each conversation. What
 * is in memory is delivered in the same turn; a conversation that has to be read first waits in a line of its own and
 * holds up no other.
 */
export const startDelivery = (deps: DeliveryDependencies): DeliveryProjector => {
  const { bus } = deps;
  const source = readingAtMost(deps.source, pagesAtOnceMax);
  const memberships = createMemberships(source, deps.findMembership ?? (() => Promise.resolve(undefined)));
  const privacy = createReadPrivacy(source);
  const noting: Noting = { inboxUpdates: deps.inboxUpdates, rollups: deps.rollups, typing: deps.typing, privacy };
  const resolve = createFramesOfEvent({ ...deps, source, memberships, privacy });
  const share = deps.share;
  let stopped = false;
  const isStopped = (): boolean => stopped;
  // What is given up because of the end is left to the projector that takes the share over.
  const checkpoint = createHeldCheckpoint((done) => {
    if (!stopped) share?.onDelivered(done);
  });
  const progress = share && createProgress(checkpoint.done, underWayMax);
  const from = deps.share?.from ?? deps.resumed?.from;
  let position = from ?? noPosition;
  /** Up to here the log was ahead of delivery: what was deleted meanwhile stands in no batch, so the log is asked. */
  let behindTo = deps.resumed?.head ?? noPosition;

  const failed = (recorded: RecordedEvent, error: unknown): void => {
    deps.onUndeliverable(recorded, asError(error));
  };

  const backlog = createBacklog((conversationId) => {
    const deletedAfter = deletionsAfter(source, conversationId);
    return async (recorded) => {
      // What waits at the end is left to the projector that goes on: it would come after what that one sends.
      if (isStopped()) return;
      let delivered: void | Promise<void> = undefined;
      try {
        const resolved = () => resolve.later(recorded, () => deletedAfter(recorded.revision));
        const deliveries = await whileAway(resolved, isStopped);
        if (isStopped()) return;
        delivered = bus.deliver(deliveries);
        note(noting, memberships, recorded);
      } catch (error) {
        failed(recorded, error);
      }
      // The next event is not kept waiting for this one's answers: the bus keeps the order of the calls, and a line that
      // is late would not catch up if each of its events took a round trip to every gateway.
      void Promise.resolve(delivered).then(() => progress?.end(recorded.position));
    };
  }, deps.waitingEventsMax);

  /** Undefined: it waits. */
  const attempt = (recorded: RecordedEvent, deleted: Deletions): readonly Delivery[] | undefined => {
    try {
      const deliveries = resolve.now(recorded, deleted);
      if (deliveries !== undefined) note(noting, memberships, recorded);
      return deliveries;
    } catch (error) {
      failed(recorded, error);
      return [];
    }
  };

  const ofUser = (recorded: RecordedEvent): readonly Delivery[] => {
    try {
      const userId = streamId(recorded.stream);
      const event = decodeUserEvent(recorded);
      privacy.follow(userId, event);
      if (share?.isMine(recorded) === false) return [];
      if (event.type === "DeviceRemoved") bus.disconnect(userId, event.deviceId);
      if (event.type === "UserErased") {
        const { position } = recorded;
        deps.erasures.erased({ userId, at: event.at, position }, checkpoint.hold(position));
      }
      return userDeliveries(userId, event);
    } catch (error) {
      failed(recorded, error);
      return [];
    }
  };

  const onEvents = (events: readonly RecordedEvent[]): void | Promise<void> => {
    // What was given up in a line would be missing before these.
    if (stopped) return;
    const ready: Delivery[] = [];
    const deleted = deletionsIn(events);
    const first = events[0]?.position ?? position;
    progress?.begin(first);
    checkpoint.looked(events.length);
    for (const recorded of events) {
      position = recorded.position;
      if (recorded.stream.startsWith("user-")) ready.push(...ofUser(recorded));
      if (!isConversations(recorded) || share?.isMine(recorded) === false) continue;
      const waits = backlog.isOpen(recorded) || position <= behindTo || share?.isLate(recorded) === true;
      const now = waits ? undefined : attempt(recorded, deleted);
      if (now === undefined) {
        progress?.begin(recorded.position);
        backlog.wait(recorded);
      } else ready.push(...now);
    }
    // In process the outboxes take frames at once; a line's events are of other conversations, so order is kept.
    const delivered = bus.deliver(ready);
    if (progress !== undefined) settle(progress, first, position, delivered);
    const room = backlog.room();
    if (room === undefined) return progress?.room();
    return room.then(async () => {
      behindTo = await whileAway(source.head, isStopped);
    });
  };

  const subscription = source.subscribe(from ?? "head", { onEvents, onFailure: deps.onFailure });
  return {
    position: () => position,
    stop: () => {
      stopped = true;
      subscription.stop();
    },
  };
};

/**
 * A batch is done when its frames are: a bus whose answer takes time never rejects. Its first position is under way from
 * the start, lest a line that is quicker than the bus ends what lies between.
 */
const settle = (progress: Progress, first: Position, last: Position, delivered: void | Promise<void>): void => {
  progress.begin(last);
  void Promise.resolve(delivered).then(() => {
    progress.end(first);
    progress.end(last);
  });
};

const isConversations = (recorded: RecordedEvent): boolean =>
  recorded.stream.startsWith("conversation-") || isReceipts(recorded);

type Noting = Pick<DeliveryDependencies, "inboxUpdates" | "rollups" | "typing"> & { readonly privacy: ReadPrivacy };

/** What an event means besides its frames. */
const note = (noting: Noting, memberships: Memberships, recorded: RecordedEvent): void => {
  if (isReceipts(recorded)) {
    noteReceipts(noting, memberships, recorded);
  } else if (recorded.type === "MemberLeft") {
    const event = decodeConversationEvent(recorded);
    if (event.type === "MemberLeft") noting.typing.left(streamId(recorded.stream), event.userId);
  }
};

/** Reading on one device is news to the user's others; in groups, receipts are news to the senders of what was received. */
const noteReceipts = (
  { inboxUpdates, rollups, privacy }: Noting,
  memberships: Memberships,
  recorded: RecordedEvent,
): void => {
  const { position } = recorded;
  const { conversationId, cursors, at } = decodeReceiptsEvent(recorded);
  for (const { userId, deviceId, readUpTo } of cursors)
    if (readUpTo !== undefined) inboxUpdates.readMoved({ userId, conversationId, deviceId, position });
  const membership = memberships.latest(conversationId);
  if (membership?.kind !== "group") return;
  const upTo = Math.max(0, ...cursors.map(({ deliveredUpTo = 0, readUpTo = 0 }) => Math.max(deliveredUpTo, readUpTo)));
  rollups.advanced({
    conversationId,
    upTo,
    lastSequence: membership.lastSequence,
    position,
    at,
    isMember: (userId) => memberships.latest(conversationId)?.members.has(userId) === true,
    seesReads: async (userId) => privacy.known(userId) ?? privacy.load(userId),
  });
};
