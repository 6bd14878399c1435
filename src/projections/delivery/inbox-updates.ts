import { asError } from "../../lib/errors.js";
import type { ConversationId, DeviceId, UserId } from "../../domain/kernel/ids.js";
import type { Position } from "../../domain/kernel/stream.js";
import type { Delivery } from "../ports/bus.js";
import { unreadOf } from "../frames/unread.js";
import { atMost } from "./bounded-reads.js";
import { allVisible, createWaiting, readsAtOnceMax, type FollowUpDependencies } from "./followups.js";
import type { Frame } from "../frames/frames.js";

/** A user's read cursor moved on one device: the user's other devices learn the new count. */
export type ReadMoved = {
  readonly userId: UserId;
  readonly conversationId: ConversationId;
  readonly deviceId: DeviceId;
  readonly position: Position;
};

export type InboxUpdates = {
  readonly readMoved: (moved: ReadMoved) => void;
  /** Resolves when nothing waits and nothing is under way. */
  readonly settled: () => Promise<void>;
  readonly stop: () => void;
};

export type InboxUpdateDependencies = FollowUpDependencies<"summaries">;

/**
 * `inbox.update` needs a number that only the views have, so it follows the views and not the log. Several moves of one
 * user in one conversation become one update; those that come while others are read are the next batch.
 */
export const createInboxUpdates = (deps: InboxUpdateDependencies): InboxUpdates => {
  const waiting = createWaiting<ReadMoved>(() => {
    deps.onLost(1, "crowded");
  });
  const limit = atMost(readsAtOnceMax);
  let running = false;
  let underWay = Promise.resolve();
  let stopped = false;

  /** Never rejects: the process tells what fails, and updates beside it go on. */
  const ofUser = async (userId: UserId, moves: readonly ReadMoved[]): Promise<void> => {
    try {
      await sendTo(deps, userId, moves);
    } catch (error) {
      deps.onFailure(asError(error));
      deps.onLost(moves.length, "failed");
    }
  };
  const run = async (): Promise<void> => {
    running = true;
    while (!waiting.isEmpty()) {
      const moves = waiting.takeAll();
      if (!(await allVisible(deps, moves))) continue;
      await Promise.all([...byUser(moves)].map(([userId, of]) => limit(() => ofUser(userId, of))));
    }
    running = false;
  };

  return {
    settled: () => underWay,
    stop: () => {
      stopped = true;
      waiting.clear();
    },
    readMoved: (moved) => {
      if (stopped || !deps.bus.connected(moved.userId, moved.deviceId)) return;
      waiting.put(`${moved.userId} ${moved.deviceId} ${moved.conversationId}`, moved);
      if (!running) underWay = run();
    },
  };
};

const byUser = (moves: readonly ReadMoved[]): ReadonlyMap<UserId, readonly ReadMoved[]> => {
  const users = new Map<UserId, ReadMoved[]>();
  for (const moved of moves) {
    const known = users.get(moved.userId);
    if (known === undefined) users.set(moved.userId, [moved]);
    else known.push(moved);
  }
  return users;
};

/** One look at the views for all the conversations in which the user has read. */
const sendTo = async (
  { bus, reads }: InboxUpdateDependencies,
  userId: UserId,
  moves: readonly ReadMoved[],
): Promise<void> => {
  const rows = await reads.summaries(userId, [...new Set(moves.map(({ conversationId }) => conversationId))]);
  const frames = new Map<ConversationId, string>();
  for (const row of rows) {
    if (!row.member.present) continue;
    const { conversationId } = row.conversation;
    const { headPos: pos } = row.conversation;
    const payload = { conversationId, readUpTo: row.member.readUpTo, unread: unreadOf(row), pos };
    frames.set(conversationId, JSON.stringify({ type: "inbox.update", payload } satisfies Frame));
  }
  const deliveries = moves.flatMap(({ conversationId, deviceId }): readonly Delivery[] => {
    const frame = frames.get(conversationId);
    return frame === undefined ? [] : [{ recipients: [userId], frame, exceptDeviceId: deviceId }];
  });
  await bus.deliver(deliveries);
};
