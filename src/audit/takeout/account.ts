import type { EventLog } from "../../commands/ports.js";
import { decodeUserEvent, UnreadableEvent } from "../../domain/catalogue.js";
import type { ConversationId, DeviceId, UserId } from "../../domain/kernel/ids.js";
import { sealedAs } from "../../domain/kernel/sealed.js";
import { firstRevision, streamOf, type Position } from "../../domain/kernel/stream.js";
import { streamEvents } from "../../domain/kernel/stream-pages.js";
import { defaultPrivacy, type DeviceType, type Privacy, type UserEvent } from "../../domain/user/user.events.js";
import type { Opened, OpenText } from "../archive/record.js";

/** Everything that a user's own stream says of them. Times are epoch milliseconds. */
export type Account = {
  readonly userId: UserId;
  registeredAt?: number;
  /** Every name that they gave themselves; null where they took it away. The last is today's. */
  readonly names: { readonly at: number; readonly name: Opened | null }[];
  privacy: Privacy;
  /** By id; one that was removed and came back is as it is now. */
  readonly devices: Record<DeviceId, AccountDevice>;
  /** Of conversations, as they are now. */
  readonly preferences: Record<ConversationId, AccountPreferences>;
  /** Events of theirs that are damaged, or of a newer version. */
  readonly unreadable: string[];
};
type AccountDevice = { readonly deviceType: DeviceType; readonly registeredAt: number; removedAt?: number };
type AccountPreferences = {
  readonly pinned?: number | null;
  readonly archived?: boolean;
  readonly mutedUntil?: number | null;
};

/** Undefined for a user whom the log does not know. */
export const accountOf = async (
  log: Pick<EventLog, "readStream">,
  open: OpenText,
  userId: UserId,
  upTo: Position,
): Promise<Account | undefined> => {
  const account: Account = { userId, names: [], privacy: defaultPrivacy, devices: {}, preferences: {}, unreadable: [] };
  const stream = streamOf.user(userId);
  if ((await log.readStream(stream, firstRevision, 1)).length === 0) return undefined;
  for await (const recorded of streamEvents(log, stream, { upTo })) {
    try {
      await fold(account, decodeUserEvent(recorded), open);
    } catch (error) {
      if (!(error instanceof UnreadableEvent)) throw error;
      account.unreadable.push(error.message);
    }
  }
  return account;
};

const fold = async (account: Account, event: UserEvent, open: OpenText): Promise<void> => {
  const { at } = event;
  if (event.type === "UserRegistered") account.registeredAt = at;
  if (event.type === "DeviceRegistered")
    account.devices[event.deviceId] = { deviceType: event.deviceType, registeredAt: at };
  if (event.type === "DeviceRemoved") {
    const device = account.devices[event.deviceId];
    if (device !== undefined) device.removedAt = at;
  }
  if (event.type === "PreferencesChanged") {
    const { conversationId, changes } = event;
    account.preferences[conversationId] = { ...account.preferences[conversationId], ...changes };
  }
  if (event.type !== "ProfileChanged") return;
  const { displayName, privacy } = event.changes;
  if (privacy !== undefined) account.privacy = privacy;
  if (displayName === undefined) return;
  const name =
    displayName === null ? null : await open(sealedAs.displayName(account.userId), displayName, account.userId);
  account.names.push({ at, name });
};
