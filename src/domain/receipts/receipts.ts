import { noIndex, type CommandContext, type Decider } from "../kernel/decider.js";
import { E } from "../kernel/fp.js";
import type { Actor, ConversationId, DeviceId, Sequence, UserId } from "../kernel/ids.js";
import { stamping } from "../kernel/stamping.js";
import type { Cursor, ReceiptsEvent } from "./receipts.events.js";

/** How far a user has received and read, and each of the user's devices has received. Missing means 0. */
export type UserCursors = {
  readonly readUpTo: Sequence;
  readonly deliveredUpTo: Sequence;
  readonly devices: ReadonlyMap<DeviceId, Sequence>;
};
export type Receipts = ReadonlyMap<UserId, UserCursors>;

/** The maker of the command has checked membership and the last sequence: they are the conversation's to know. */
export type AdvanceReceipts = {
  readonly type: "AdvanceReceipts";
  readonly conversationId: ConversationId;
  readonly deliveredUpTo?: Sequence;
  readonly readUpTo?: Sequence;
  /** The reader shows no reads. */
  readonly private: boolean;
  readonly context: CommandContext;
};

const none: UserCursors = { readUpTo: 0, deliveredUpTo: 0, devices: new Map() };

export const cursorsOf = (state: Receipts, userId: UserId): UserCursors => state.get(userId) ?? none;

export const receipts: Decider<AdvanceReceipts, Receipts, ReceiptsEvent> = {
  initial: () => new Map(),
  index: noIndex,

  evolve: (state, event) => {
    const next = new Map(state);
    for (const cursor of event.cursors) next.set(cursor.userId, advanced(cursorsOf(next, cursor.userId), cursor));
    return next;
  },

  /** Reading is receiving. What does not grow is not written. */
  decide: (state, command) => {
    const { now, by } = command.context;
    const cursor = growth(cursorsOf(state, by.userId), by, command);
    if (cursor === undefined) return E.right([]);
    const stamp = stamping(command.context, 0)();
    const shown = cursor.readUpTo !== undefined && command.private ? { private: true as const } : {};
    const cursors = [{ ...cursor, at: now, ...shown }];
    return E.right([{ type: "ReceiptsAdvanced", ...stamp, conversationId: command.conversationId, cursors }]);
  },
};

const growth = (
  known: UserCursors,
  { userId, deviceId }: Actor,
  command: AdvanceReceipts,
): Omit<Cursor, "at"> | undefined => {
  const delivered = Math.max(command.deliveredUpTo ?? 0, command.readUpTo ?? 0);
  const deliveredGrows = delivered > (known.devices.get(deviceId) ?? 0);
  const readGrows = (command.readUpTo ?? 0) > known.readUpTo;
  if (!deliveredGrows && !readGrows) return undefined;
  return {
    ...{ userId, deviceId },
    ...(deliveredGrows ? { deliveredUpTo: delivered } : {}),
    ...(readGrows && command.readUpTo !== undefined ? { readUpTo: command.readUpTo } : {}),
  };
};

const advanced = (known: UserCursors, cursor: Cursor): UserCursors => {
  const delivered = Math.max(cursor.deliveredUpTo ?? 0, cursor.readUpTo ?? 0);
  const device = Math.max(known.devices.get(cursor.deviceId) ?? 0, delivered);
  return {
    readUpTo: Math.max(known.readUpTo, cursor.readUpTo ?? 0),
    deliveredUpTo: Math.max(known.deliveredUpTo, delivered),
    devices: new Map(known.devices).set(cursor.deviceId, device),
  };
};
