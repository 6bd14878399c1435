import { decodeConversationEvent, decodeReceiptsEvent } from "../../domain/catalogue.js";
import type { ConversationEvent, Sealed } from "../../domain/conversation/conversation.events.js";
import { streamId, type Position, type RecordedEvent } from "../../domain/kernel/stream.js";
import type { ReceiptsEvent } from "../../domain/receipts/receipts.events.js";
import type { Bus, Delivery, EventSource, OpenContent } from "../ports.js";
import { encodeMessage, frameOf, hidden, receiptFrames } from "./frames.js";
import type { InboxUpdates } from "./inbox-updates.js";
import { createMemberships, foldMembership, type Membership } from "./recipients.js";

export type DeliveryDependencies = {
  readonly source: EventSource;
  readonly bus: Bus;
  /** What this process sealed a moment ago needs no key and no waiting. */
  readonly openNow: (messageId: string, content: Sealed) => string | undefined;
  readonly open: OpenContent;
  readonly inboxUpdates: InboxUpdates;
  /** An event that could not be delivered: it is passed over, and the devices heal by sync. */
  readonly onUndeliverable: (event: RecordedEvent, error: Error) => void;
  readonly onFailure: (error: Error) => void;
};

export type DeliveryProjector = { readonly position: () => Position; readonly stop: () => void };

/** Events that wait for a membership or a key to be read, over all conversations; beyond it the log is not read on. */
const waitingMax = 10_000;

/**
 * Follows the log from its head and hands each change's frames to the bus, in `pos` order for each conversation. What
 * is in memory is delivered in the same turn; a conversation that has to be read first waits on a lane of its own and
 * holds up nobody else.
 */
export const startDelivery = (deps: DeliveryDependencies): DeliveryProjector => {
  const { bus, inboxUpdates } = deps;
  const memberships = createMemberships(deps.source);
  const lanes = new Map<string, RecordedEvent[]>();
  let waiting = 0;
  let resume: (() => void) | undefined;
  let position = 0;

  /** The deliveries of an event; undefined when something has to be read first. */
  const deliveriesNow = (recorded: RecordedEvent): readonly Delivery[] | undefined => {
    const id = streamId(recorded.stream);
    if (recorded.stream.startsWith("receipts-")) {
      const membership = memberships.latest(id);
      return membership && receiptDeliveries(membership, decodeReceiptsEvent(recorded));
    }
    const before = memberships.before(id, recorded.revision);
    if (before === undefined) return undefined;
    const event = decodeConversationEvent(recorded);
    const content = event.type === "MessageSent" ? deps.openNow(event.messageId, event.content) : undefined;
    if (event.type === "MessageSent" && content === undefined) return undefined;
    const after = foldMembership(before, event);
    memberships.keep(id, after);
    return changeDeliveries(id, recorded, event, before, after, content ?? null);
  };

  const deliveriesLater = async (recorded: RecordedEvent): Promise<readonly Delivery[]> => {
    const id = streamId(recorded.stream);
    if (recorded.stream.startsWith("receipts-")) {
      const event = decodeReceiptsEvent(recorded);
      return receiptDeliveries(memberships.latest(id) ?? (await loadLatest(id)), event);
    }
    const before = await memberships.load(id, recorded.revision);
    const event = decodeConversationEvent(recorded);
    const content = event.type === "MessageSent" ? await deps.open(event.messageId, event.content) : null;
    const after = foldMembership(before, event);
    memberships.keep(id, after);
    return changeDeliveries(id, recorded, event, before, after, content);
  };

  /** Receipts of a conversation of which no change came by yet: its membership as the log has it now. */
  const loadLatest = async (id: string): Promise<Membership> => {
    const [newest] = await deps.source.readStream(`conversation-${id}`, -1, 1, "backwards");
    return memberships.load(id, newest === undefined ? 0 : newest.revision + 1);
  };

  const runLane = async (id: string, lane: RecordedEvent[]): Promise<void> => {
    for (let recorded = lane[0]; recorded !== undefined; recorded = lane[0]) {
      try {
        await bus.deliver(deliveriesNow(recorded) ?? (await deliveriesLater(recorded)));
        noteReads(recorded);
      } catch (error) {
        deps.onUndeliverable(recorded, error instanceof Error ? error : new Error(String(error)));
      }
      lane.shift();
      waiting -= 1;
    }
    lanes.delete(id);
    if (waiting < waitingMax) resume?.();
  };

  /** Reading on one device is news to the user's others. */
  const noteReads = (recorded: RecordedEvent): void => {
    if (!recorded.stream.startsWith("receipts-")) return;
    const { conversationId, cursors } = decodeReceiptsEvent(recorded);
    for (const { userId, deviceId, readUpTo } of cursors)
      if (readUpTo !== undefined)
        inboxUpdates.readMoved({ userId, conversationId, deviceId, position: recorded.position });
  };

  const onEvents = (events: readonly RecordedEvent[]): void | Promise<void> => {
    const ready: Delivery[] = [];
    for (const recorded of events) {
      position = recorded.position;
      if (!isDelivered(recorded)) continue;
      const id = streamId(recorded.stream);
      const lane = lanes.get(id);
      const now = lane === undefined ? attempt(recorded) : undefined;
      if (now !== undefined) ready.push(...now);
      else if (lane !== undefined) lane.push(recorded);
      else openLane(id, recorded);
      if (now === undefined) waiting += 1;
    }
    // In process the outboxes take frames at once; a lane's events are of other conversations, so order is kept.
    void bus.deliver(ready);
    if (waiting < waitingMax) return undefined;
    return new Promise((resolve) => (resume = resolve));
  };

  const attempt = (recorded: RecordedEvent): readonly Delivery[] | undefined => {
    try {
      const deliveries = deliveriesNow(recorded);
      if (deliveries !== undefined) noteReads(recorded);
      return deliveries;
    } catch (error) {
      deps.onUndeliverable(recorded, error instanceof Error ? error : new Error(String(error)));
      return [];
    }
  };

  const openLane = (id: string, recorded: RecordedEvent): void => {
    const lane = [recorded];
    lanes.set(id, lane);
    // After this turn's deliveries: a lane must not overtake them.
    queueMicrotask(() => void runLane(id, lane));
  };

  const subscription = deps.source.subscribe("head", { onEvents, onFailure: deps.onFailure });
  return { position: () => position, stop: subscription.stop };
};

const isDelivered = ({ stream }: RecordedEvent): boolean =>
  stream.startsWith("conversation-") || stream.startsWith("receipts-");

const changeDeliveries = (
  id: string,
  { revision }: RecordedEvent,
  event: ConversationEvent,
  before: Membership,
  after: Membership,
  content: string | null,
): readonly Delivery[] => {
  if (event.type === "MessageSent" && content !== null) {
    const { own, others } = encodeMessage(id, event, revision, content);
    const sender = event.by.userId;
    return [
      { recipients: [sender], frame: own },
      { recipients: [...after.members].filter((userId) => userId !== sender), frame: others },
    ];
  }
  // A change of membership concerns whoever was a member before it or is one after it.
  const concerned = new Set([...before.members, ...after.members]);
  const byFrame = new Map<string, string[]>();
  for (const userId of concerned) {
    const frame = frameOf(id, event, revision, userId, hidden);
    if (frame === undefined) continue;
    const text = JSON.stringify(frame);
    const sharing = byFrame.get(text);
    if (sharing === undefined) byFrame.set(text, [userId]);
    else sharing.push(userId);
  }
  return [...byFrame].map(([frame, recipients]) => ({ frame, recipients }));
};

/** Direct conversations tell the other party; groups do not say who read what. */
const receiptDeliveries = (membership: Membership, event: ReceiptsEvent): readonly Delivery[] => {
  if (membership.kind !== "direct") return [];
  return receiptFrames(event).map(({ userId, frame }) => ({
    recipients: [...membership.members].filter((member) => member !== userId),
    frame: JSON.stringify(frame),
  }));
};
