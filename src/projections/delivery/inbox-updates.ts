import { asError } from "../../domain/kernel/errors.js";
import { E } from "../../domain/kernel/fp.js";
import type { Position } from "../../domain/kernel/stream.js";
import type { Bus, ViewReads } from "../ports.js";
import type { Queries } from "../queries/queries.js";
import { unreadOf } from "../queries/unread.js";

/** A user's read cursor moved on one device: the user's other devices learn the new count. */
export type ReadMoved = {
  readonly userId: string;
  readonly conversationId: string;
  readonly deviceId: string;
  readonly position: Position;
};

export type InboxUpdates = { readonly readMoved: (moved: ReadMoved) => void; readonly stop: () => void };

export type InboxUpdateDependencies = {
  readonly bus: Bus;
  readonly reads: Pick<ViewReads, "summaries">;
  readonly awaitCaughtUp: Queries["awaitCaughtUp"];
  readonly onFailure: (error: Error) => void;
};

/** Updates waiting for the views. Beyond it the oldest are given up: a device learns its counts from any sync. */
const pendingMax = 10_000;

/**
 * `inbox.update` needs a number that only the views have, so it follows the views and not the log. Several moves of one
 * user in one conversation become one update.
 */
export const createInboxUpdates = (deps: InboxUpdateDependencies): InboxUpdates => {
  const pending = new Map<string, ReadMoved>();
  let running = false;
  let stopped = false;

  const run = async (): Promise<void> => {
    running = true;
    for (const [key, moved] of pending) {
      pending.delete(key);
      try {
        await send(deps, moved);
      } catch (error) {
        deps.onFailure(asError(error));
      }
    }
    running = false;
  };

  return {
    stop: () => {
      stopped = true;
      pending.clear();
    },
    readMoved: (moved) => {
      if (stopped) return;
      if (!deps.bus.connected(moved.userId, moved.deviceId)) return;
      const key = `${moved.userId} ${moved.deviceId} ${moved.conversationId}`;
      pending.delete(key);
      pending.set(key, moved);
      const oldest = pending.size > pendingMax ? pending.keys().next().value : undefined;
      if (oldest !== undefined) pending.delete(oldest);
      if (!running) void run();
    },
  };
};

const send = async ({ bus, reads, awaitCaughtUp }: InboxUpdateDependencies, moved: ReadMoved): Promise<void> => {
  const { userId, conversationId, deviceId } = moved;
  if (E.isLeft(await awaitCaughtUp(moved.position))) return;
  const [row] = await reads.summaries(userId, [conversationId]);
  if (row?.member.present !== true) return;
  const payload = { conversationId, readUpTo: row.member.readUpTo, unread: unreadOf(row) };
  const frame = JSON.stringify({ type: "inbox.update", payload });
  await bus.deliver([{ recipients: [userId], frame, exceptDeviceId: deviceId }]);
};
