import { isOrWasMember, refusalInGroup } from "../domain/conversation/conversation.decide.js";
import type { Conversation, ConversationCommand } from "../domain/conversation/conversation.js";
import { defaultSettings } from "../domain/conversation/conversation.events.js";
import type { CommandContext } from "../domain/kernel/decider.js";
import { E, type Either } from "../domain/kernel/fp.js";
import { directConversationId, groupConversationId } from "../domain/kernel/ids.js";
import type { ConversationId, Sequence, UserId } from "../domain/kernel/ids.js";
import { limits } from "../domain/kernel/limits.js";
import { conversationNotFound, formerMember, reject, type Rejection } from "../domain/rejections.js";
import { deviceRemoved } from "../domain/user/user.decide.js";
import { isStillIn, preferencesOf, privacyOf, seenAtOf } from "../domain/user/user.js";
import type { AdvanceReceipts, Commands, StartGroup } from "./commands.js";
import { createAudience, othersIn } from "./audience.js";
import { readingWith } from "./look-up.js";
import { createMessageCommands } from "./messages.js";
import type { EventLog, Ids, LookUpMessage, SnapshotStore } from "./ports.js";
import { routes, type Folded } from "./routes.js";
import type { Sealing } from "./sealing/sealing.js";
import { sealDisplayName, sealPlainTexts, sealTexts } from "./sealing/names.js";
import { changed, type ConversationDone } from "./command-result.js";
import type { SnapshotFormat } from "../domain/kernel/chunks.snapshot.js";
import { createSnapshots, noSnapshots } from "./snapshots.js";
import { createWriter } from "./writer.js";
import type { Position } from "../domain/kernel/stream.js";

export type CommandDependencies = {
  readonly log: EventLog;
  readonly sealing: Sealing;
  readonly ids: Ids;
  /** Name of the cell, written into first events. */
  readonly home: string;
  readonly lookUp: LookUpMessage;
  /** Members of a group. */
  readonly membersMax: number;
  /** Whether other processes append to this log as well. */
  readonly isShared?: boolean;
  /** The same log for reads that can wait. Omitted: `log`. */
  readonly background?: Pick<EventLog, "readStream">;
  /** Without it every cold load folds its whole stream. */
  readonly snapshots?: SnapshotStore;
  /** A snapshot could not be read or saved: no command fails for it. */
  readonly onSnapshotFailure?: (error: Error) => void;
  /** Bytes of folded states in memory, each kind of aggregate for itself. */
  readonly loadedBytesMax?: Partial<typeof loadedBytes>;
};

/** Nine thousand conversations with full windows, and what their members need; those in use are loaded again in a moment. */
const loadedBytes = { conversations: 512 * 1024 * 1024, receipts: 64 * 1024 * 1024, users: 64 * 1024 * 1024 };

export type CommandSide = Commands & {
  /** Commands that were submitted and are not settled. */
  readonly pending: () => number;
  /** Resolves when no snapshot waits to be saved: then its store may be closed. */
  readonly snapshotsSaved: () => Promise<void>;
};

/** The write side: every command on its aggregate's queue. */
export const createCommands = (deps: CommandDependencies): CommandSide => {
  const { log, sealing, home, ids, membersMax, isShared = false } = deps;
  const conversationRoute = { ...routes.conversation, reading: readingWith(deps.lookUp, sealing) };
  const bytesMax = { ...loadedBytes, ...deps.loadedBytesMax };
  const snapshots = {
    conversations: snapshotsOf(deps, conversationRoute.snapshot),
    receipts: snapshotsOf(deps, routes.receipts.snapshot),
    users: snapshotsOf(deps, routes.user.snapshot),
  };
  const conversations = createWriter(log, conversationRoute, {
    snapshots: snapshots.conversations,
    loadedBytesMax: bytesMax.conversations,
    isShared,
  });
  const receipts = createWriter(log, routes.receipts, {
    snapshots: snapshots.receipts,
    loadedBytesMax: bytesMax.receipts,
    isShared,
  });
  const users = createWriter(log, routes.user, {
    snapshots: snapshots.users,
    loadedBytesMax: bytesMax.users,
    isShared,
  });

  const audience = createAudience({
    peek: conversations.peek,
    log: deps.background ?? log,
    snapshots: snapshots.conversations,
  });

  const start = async (id: ConversationId, command: Start | Promise<Start>) => {
    const result = await conversations.submit(id, command);
    if (E.isLeft(result)) return result;
    const { state, events } = result.right;
    const created = events.length > 0;
    // What another user started is not among the caller's own changes: what is read next shows it all the same.
    const position = created ? result.right.position : await log.head();
    return E.right({ conversationId: id, created, state, position });
  };
  const change = async (id: ConversationId, command: ConversationCommand) =>
    E.map(changed)(await conversations.submit(id, command));
  /** Where others append too, only what the log has now can refuse. */
  const accepted = async <A>(
    id: ConversationId,
    accept: (state: Conversation) => Either<Rejection, A>,
    ageMsMax?: number,
  ) => {
    const known = accept(await conversations.current(id, ageMsMax));
    return E.isRight(known) || !isShared ? known : accept(await conversations.current(id, 0));
  };

  return {
    ...createMessageCommands(deps, conversations),

    pending: () => conversations.pending() + receipts.pending() + users.pending(),
    snapshotsSaved: async () => {
      await Promise.all([snapshots.conversations.idle(), snapshots.receipts.idle(), snapshots.users.idle()]);
    },

    registerDevice: async (command, context) => {
      const { userId, deviceId } = context.by;
      const { devicesMax } = limits;
      const result = await users.submit(userId, { type: "RegisterDevice", home, devicesMax, ...command, context });
      if (E.isLeft(result)) return result;
      const { position, state } = result.right;
      if (!isStillIn(state, deviceId, command.tokenIssuedAt)) return E.left(deviceRemoved);
      return E.right({ position, seenAt: seenAtOf(state, deviceId) });
    },

    // Asked when a removal may have been missed: only what the log has now is an answer.
    mayStay: async ({ userId, deviceId, tokenIssuedAt }) =>
      isStillIn(await users.current(userId, 0), deviceId, tokenIssuedAt),

    removeDevice: (command, context) => users.submit(context.by.userId, { type: "RemoveDevice", ...command, context }),

    eraseUser: ({ userId, reason }, context) => users.submit(userId, { type: "EraseUser", reason, context }),

    changeProfile: ({ displayName, ...changes }, context) => {
      const { userId } = context.by;
      const command = { type: "ChangeProfile" as const, ...changes, context };
      if (displayName === undefined) return users.submit(userId, command);
      const sealed = sealDisplayName(sealing, userId, displayName);
      return users.submit(
        userId,
        sealed.then((ready) => ({ ...command, displayName: ready })),
      );
    },

    changePreferences: async ({ conversationId, ...changes }, context) => {
      // Seldom, and written: the log is asked, since the caller may have been removed elsewhere a moment ago.
      const present = await accepted(conversationId, (state) => presentMember(state, context), 0);
      if (E.isLeft(present)) return present;
      const command = { type: "ChangePreferences" as const, conversationId, changes, context };
      const result = await users.submit(context.by.userId, command);
      return E.map(({ position, state }: { position: Position; state: Parameters<typeof preferencesOf>[0] }) => ({
        position,
        ...preferencesOf(state, conversationId),
      }))(result);
    },

    startDirect: ({ peerId }, context) => {
      const id = directConversationId(context.by.userId, peerId);
      const members = [context.by.userId, peerId].map((userId) => ({ userId, role: "member" as const }));
      const profile = { kind: "direct" as const, settings: defaultSettings };
      const who = { members, membersMax: members.length };
      return start(id, { type: "StartConversation", conversationId: id, home, profile, ...who, context });
    },

    startGroup: (command, context) => {
      const { clientRequestId } = command;
      const named = clientRequestId === undefined ? { random: ids.uuid() } : { clientRequestId };
      const id = groupConversationId(context.by.userId, named);
      const { profile, members } = groupOf(command, context.by.userId);
      const started = { type: "StartConversation" as const, conversationId: id, home, members, membersMax, context };
      // No key is made in the name of what is refused.
      const texts = sealTexts(sealing, id, members.length > membersMax ? {} : command);
      return start(
        id,
        texts.then((sealed) => ({ ...started, profile: { ...profile, ...sealed } })),
      );
    },

    joinMembers: async ({ conversationId, userIds }, context) => {
      const command = { type: "JoinMembers" as const, userIds, membersMax, context };
      const present = await accepted(conversationId, (state) => groupMember(state, context, "invite"));
      if (E.isLeft(present)) return present;
      const sealed = sealPlainTexts(sealing, conversationId, present.right.profile);
      return E.map((done: ConversationDone) => {
        const joins = done.events.filter((event) => event.type === "MemberJoined");
        const memberCount = done.state.situation === "started" ? done.state.members.size : 0;
        const added = joins.flatMap((join) => join.members.map(({ userId }) => userId));
        return { ...changed(done), added, memberCount };
      })(
        await conversations.submit(
          conversationId,
          sealed === undefined ? command : sealed.then((texts) => ({ ...command, sealedAnew: texts })),
        ),
      );
    },

    leaveConversation: ({ conversationId, userId }, context) =>
      change(conversationId, { type: "LeaveConversation", userId, context }),

    changeMemberRole: ({ conversationId, userId, role }, context) =>
      change(conversationId, { type: "ChangeMemberRole", userId, role, context }),

    changeSettings: async ({ conversationId, ...changes }, context) => {
      // No key is made in the name of what is no conversation, or none whose texts the caller may change.
      const { name, description } = changes;
      const act = name === undefined && description === undefined ? undefined : "editProfile";
      const present = await accepted(conversationId, (state) => groupMember(state, context, act));
      if (E.isLeft(present)) return present;
      const sealed = sealTexts(sealing, conversationId, changes);
      const command = sealed.then((texts) => ({
        type: "ChangeSettings" as const,
        changes: { ...texts, ...(changes.settings === undefined ? {} : { settings: changes.settings }) },
        context,
      }));
      return E.map((done: ConversationDone) => ({ ...changed(done), state: done.state }))(
        await conversations.submit(conversationId, command),
      );
    },

    othersIn: (conversationId, { by }) => othersIn(audience, conversationId, by.userId),

    membersAmong: async (conversationId, userIds) => {
      const members = await audience.of(conversationId);
      return members === undefined ? userIds : userIds.filter((userId) => members.present.has(userId));
    },

    advanceReceipts: async (command, context) => {
      const possible = await accepted(command.conversationId, (state) =>
        E.chain((present: Present) => upToTheLast(present.lastSequence, command))(presentMember(state, context)),
      );
      if (E.isLeft(possible)) return possible;
      const { readReceipts } = privacyOf(await users.current(context.by.userId));
      const advance = { type: "AdvanceReceipts" as const, ...command, private: !readReceipts, context };
      return receipts.submit(command.conversationId, advance);
    },
  };
};

const snapshotsOf = <State, Index>(deps: CommandDependencies, format: SnapshotFormat<Folded<State, Index>>) =>
  deps.snapshots === undefined
    ? noSnapshots<State, Index>()
    : createSnapshots(deps.snapshots, format, deps.onSnapshotFailure ?? (() => undefined));

type Start = Extract<ConversationCommand, { type: "StartConversation" }>;
type Present = Extract<Conversation, { situation: "started" }>;

const groupOf = (command: StartGroup, creator: UserId) => {
  const { participantIds, settings } = command;
  const others = [...new Set(participantIds)].filter((userId) => userId !== creator);
  return {
    profile: { kind: "group" as const, settings: { ...defaultSettings, ...settings } },
    members: [
      { userId: creator, role: "owner" as const },
      ...others.map((userId) => ({ userId, role: "member" as const })),
    ],
  };
};

/** The state, for what only present members may do. */
const presentMember = (state: Conversation, { by }: CommandContext): Either<Rejection, Present> => {
  if (state.situation === "absent" || !isOrWasMember(state, by.userId)) return E.left(conversationNotFound);
  return state.members.has(by.userId) ? E.right(state) : E.left(formerMember);
};

/** And may do that in the group. */
const groupMember = (
  state: Conversation,
  context: CommandContext,
  act: "invite" | "editProfile" | undefined,
): Either<Rejection, Present> =>
  E.chain((present: Present) => {
    const refusal = act && refusalInGroup(present, context.by.userId, act);
    return refusal === undefined ? E.right(present) : E.left(refusal);
  })(presentMember(state, context));

/** Cursors are refused by what the conversation knows; that they only grow is the receipts' own law. */
const upToTheLast = (lastSequence: Sequence, command: AdvanceReceipts): Either<Rejection, undefined> => {
  const upTo = Math.max(command.deliveredUpTo ?? 0, command.readUpTo ?? 0);
  if (upTo <= lastSequence) return E.right(undefined);
  const expected = `at most ${lastSequence}, the last sequence of the conversation`;
  const field = { field: "upToSequence", expected };
  return E.left(reject("INVALID_MESSAGE", "upToSequence is beyond the last message.", [field]));
};
