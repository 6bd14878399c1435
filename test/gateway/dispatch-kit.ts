import { randomUUID } from "node:crypto";
import { E, type Either } from "../../src/domain/kernel/fp.js";
import { defaultSettings } from "../../src/domain/conversation/conversation.events.js";
import type { CommandContext } from "../../src/domain/kernel/decider.js";
import { defaultPrivacy } from "../../src/domain/user/user.events.js";
import { directConversationId, groupConversationId, messageIdOf } from "../../src/domain/kernel/ids.js";
import { conversationNotFound, reject, type Rejection } from "../../src/domain/rejections.js";
import type {
  AdvanceReceipts,
  Changed,
  MessageAccepted,
  MessageName,
  StartGroup,
} from "../../src/commands/commands.js";
import type { ConversationView, Me, ReceiptsPage, StateView, Summary } from "../../src/projections/queries/queries.js";
import { createDispatcher } from "../../src/gateway/dispatch.js";
import type { MessageRate } from "../../src/gateway/message-rate.js";
import type { Application, Claims, Connection, GatewayMetrics, TokenRefusal } from "../../src/gateway/ports.js";
import { createRest } from "../../src/gateway/rest/rest.js";
import { createShared } from "../../src/gateway/shared.js";

/**
 * A small application in memory, behind the same record of functions as the real one: conversations with members and
 * messages, views that follow the log at once, or when a test says so.
 */
type Conversation = {
  readonly id: string;
  name?: string;
  readonly members: Set<string>;
  readonly messages: MessageAccepted[];
  readonly changes: string[];
  readonly receipts: { by: string; advance: AdvanceReceipts }[];
};

export const createMemoryApp = () => {
  const conversations = new Map<string, Conversation>();
  const devices = new Map<string, { deviceId: string; deviceType: "mobile" | "web" | "desktop" }[]>();
  const calls: string[] = [];
  /** Devices that come in only with a token issued after this. */
  const removed = new Map<string, number>();
  const typed: string[] = [];
  const profiles = new Map<string, { displayName?: string; privacy: Me["privacy"] }>();
  let position = 0;
  let hold: Promise<void> = Promise.resolve();
  /** Views stand still at this position. */
  let stuckAt = Infinity;
  const broken = new Map<string, () => never>();
  const waits: number[] = [];

  const command = async <A>(name: string, work: () => Either<Rejection, A>): Promise<Either<Rejection, A>> => {
    calls.push(name);
    broken.get(name)?.();
    await hold;
    return work();
  };
  const mine = (id: string, userId: string): Either<Rejection, Conversation> => {
    const found = conversations.get(id);
    return found?.members.has(userId) ? E.right(found) : E.left(conversationNotFound);
  };
  /** The same change of the same message twice is once. */
  const change = (what: string, { conversationId, messageId }: MessageName, userId: string) =>
    command(what, () =>
      E.chain(({ messages, changes }: Conversation): Either<Rejection, Changed> => {
        if (!messages.some((message) => message.messageId === messageId))
          return E.left(reject("MESSAGE_NOT_FOUND", "no such message"));
        const done = `${what} ${messageId} by ${userId}`;
        if (changes.includes(done)) return E.right({ position });
        changes.push(done);
        return E.right({ position: ++position, pos: messages.length + changes.length });
      })(mine(conversationId, userId)),
    );
  const start = (id: string, members: readonly string[], name?: string) => {
    const created = !conversations.has(id);
    if (created)
      conversations.set(id, {
        id,
        members: new Set(members),
        messages: [],
        changes: [],
        receipts: [],
        ...(name ? { name } : {}),
      });
    return E.right({ conversationId: id, created, position: created ? ++position : position });
  };
  const summaryOf = ({ id, members, messages, name }: Conversation): Summary => {
    const conversation: ConversationView = {
      conversationId: id,
      type: id.startsWith("d_") ? "direct" : "group",
      ...(name ? { name } : {}),
      settings: defaultSettings,
      createdBy: "alice",
      createdAt: 1,
      memberCount: members.size,
      myRole: "member",
      lastSequence: messages.length,
      pos: messages.length,
    };
    const state: StateView = {
      readUpTo: 0,
      unread: 0,
      pinned: null,
      archived: false,
      mutedUntil: null,
      deliveredToAll: 0,
      readByAll: 0,
      lastMessage: null,
    };
    return { conversation, state };
  };

  const app: Application = {
    epoch: "epoch-1",
    head: () => {
      broken.get("head")?.();
      return Promise.resolve(position);
    },
    readiness: () => Promise.resolve({ ready: true, problems: {} }),
    typing: {
      start: (id, { userId }, others) => void typed.push(`${userId} in ${id} to ${others.join()}`),
      stop: (id, { userId }) => void typed.push(`${userId} no more in ${id}`),
      gone: ({ userId, deviceId }) => void typed.push(`${userId}/${deviceId} gone`),
      left: () => undefined,
    },
    connectedDevices: () => [],
    commands: {
      registerDevice: ({ deviceType, tokenIssuedAt = 0 }, { by }) =>
        command("registerDevice", () => {
          if (tokenIssuedAt <= (removed.get(`${by.userId} ${by.deviceId}`) ?? -1))
            return E.left(reject("UNAUTHORIZED", "This device was removed."));
          if (by.userId === "suspended") return E.left(reject("FORBIDDEN", "suspended"));
          const own = devices.get(by.userId) ?? [];
          const known = own.find(({ deviceId }) => deviceId === by.deviceId);
          devices.set(by.userId, [
            ...own.filter(({ deviceId }) => deviceId !== by.deviceId),
            { deviceId: by.deviceId, deviceType: deviceType ?? known?.deviceType ?? "web" },
          ]);
          return E.right({ position: ++position });
        }),
      mayStay: ({ userId, deviceId, tokenIssuedAt = 0 }) =>
        Promise.resolve(tokenIssuedAt > (removed.get(`${userId} ${deviceId}`) ?? -1)),
      startDirect: ({ peerId }, { by }) =>
        command("startDirect", () => start(directConversationId(by.userId, peerId), [by.userId, peerId])),
      startGroup: (group: StartGroup, { by, commandId }: CommandContext) =>
        command("startGroup", () => {
          const request = group.clientRequestId ? { clientRequestId: group.clientRequestId } : { random: commandId };
          return start(groupConversationId(by.userId, request), [by.userId, ...group.participantIds], group.name);
        }),
      addMembers: ({ conversationId, userIds }, { by }) =>
        command("addMembers", () =>
          E.map(({ members }: Conversation) => {
            const added = userIds.filter((userId) => !members.has(userId));
            for (const userId of added) members.add(userId);
            return { added, memberCount: members.size, position: ++position };
          })(mine(conversationId, by.userId)),
        ),
      removeMember: ({ conversationId, userId }, { by }) =>
        command("removeMember", () =>
          E.chain((conversation: Conversation) =>
            conversation.members.delete(userId)
              ? E.right({ position: ++position })
              : E.left(reject("USER_NOT_FOUND", "No such member.")),
          )(mine(conversationId, by.userId)),
        ),
      sendMessage: ({ conversationId, clientMessageId }, { by }) =>
        command("sendMessage", () =>
          E.map(({ messages }: Conversation): MessageAccepted => {
            const messageId = messageIdOf(conversationId, by, clientMessageId);
            const known = messages.find((message) => message.messageId === messageId);
            if (known) return { ...known, duplicate: true };
            const sequence = messages.length + 1;
            const place = { sequence, pos: sequence, timestamp: 1000, duplicate: false, position: ++position };
            const accepted = { clientMessageId, messageId, conversationId, ...place };
            messages.push(accepted);
            return accepted;
          })(mine(conversationId, by.userId)),
        ),
      editMessage: (edit, { by }) => change(`edit to ${edit.content}`, edit, by.userId),
      deleteMessage: (message, { by }) => change("delete", message, by.userId),
      addReaction: (reaction, { by }) => change(`react ${reaction.emoji}`, reaction, by.userId),
      removeReaction: (reaction, { by }) => change(`unreact ${reaction.emoji}`, reaction, by.userId),
      changeRole: ({ conversationId, userId, role }, { by }) =>
        command("changeRole", () =>
          E.chain(({ members }: Conversation): Either<Rejection, Changed> => {
            calls.push(`${userId} ${role}`);
            return members.has(userId)
              ? E.right({ position: ++position, pos: 1 })
              : E.left(reject("USER_NOT_FOUND", "No such member."));
          })(mine(conversationId, by.userId)),
        ),
      changeSettings: ({ conversationId, name, ...rest }, { by }) =>
        command("changeSettings", () =>
          E.map((conversation: Conversation): Changed => {
            calls.push(JSON.stringify(rest));
            if (name !== undefined) conversation.name = name;
            return { position: ++position, pos: 1 };
          })(mine(conversationId, by.userId)),
        ),
      removeDevice: ({ deviceId }, { by, now }) =>
        command("removeDevice", () => {
          const own = devices.get(by.userId) ?? [];
          if (!own.some((device) => device.deviceId === deviceId))
            return E.left(reject("NOT_FOUND", "No such device."));
          devices.set(
            by.userId,
            own.filter((device) => device.deviceId !== deviceId),
          );
          removed.set(`${by.userId} ${deviceId}`, now);
          return E.right({ position: ++position });
        }),
      changeProfile: ({ displayName, privacy }, { by }) =>
        command("changeProfile", () => {
          const before = profiles.get(by.userId) ?? { privacy: defaultPrivacy };
          profiles.set(by.userId, {
            ...before,
            ...(displayName === undefined ? {} : { displayName }),
            privacy: { ...before.privacy, ...privacy },
          });
          return E.right({ position: ++position });
        }),
      changePreferences: ({ conversationId, ...wanted }, { by }) =>
        command("changePreferences", () =>
          E.map(() => ({ pinned: null, archived: false, mutedUntil: null, ...wanted, position: ++position }))(
            mine(conversationId, by.userId),
          ),
        ),
      othersIn: (conversationId, { by }) =>
        command("othersIn", () =>
          E.map(({ members }: Conversation) => ({
            userIds: Array.from(members).filter((userId) => userId !== by.userId),
          }))(mine(conversationId, by.userId)),
        ),
      membersAmong: (id, userIds) =>
        Promise.resolve(userIds.filter((userId) => conversations.get(id)?.members.has(userId))),
      advanceReceipts: (advance, { by }) =>
        command("advanceReceipts", () =>
          E.chain(({ messages, receipts }: Conversation) => {
            if (Math.max(advance.deliveredUpTo ?? 0, advance.readUpTo ?? 0) > messages.length)
              return E.left(reject("INVALID_MESSAGE", "beyond the last message"));
            receipts.push({ by: by.userId, advance });
            return E.right({ position: ++position });
          })(mine(advance.conversationId, by.userId)),
        ),
    },
    queries: {
      awaitCaughtUp: (wanted) => {
        waits.push(wanted);
        return Promise.resolve(
          wanted <= stuckAt ? E.right(undefined) : E.left(reject("UNAVAILABLE", "The views are behind.")),
        );
      },
      inbox: ({ userId }, page) => {
        calls.push(`inbox ${JSON.stringify(page)}`);
        const own = Array.from(conversations.values()).filter(({ members }) => members.has(userId));
        return Promise.resolve(E.right({ conversations: own.slice(0, page.limit).map(summaryOf) }));
      },
      summary: ({ userId }, id) => Promise.resolve(E.map(summaryOf)(mine(id, userId))),
      members: ({ userId }, id) =>
        Promise.resolve(
          E.map(({ members }: Conversation) => ({
            members: Array.from(members, (member) => ({ userId: member, joinedAt: 1 })),
          }))(mine(id, userId)),
        ),
      history: ({ userId }, id, page) => {
        calls.push(`history ${JSON.stringify(page)}`);
        return Promise.resolve(E.map(() => ({ messages: [], hasMore: false }))(mine(id, userId)));
      },
      receipts: ({ userId }, id, messageId, page) => {
        calls.push(`receipts ${messageId} ${JSON.stringify(page)}`);
        const answer: ReceiptsPage = { sequence: 1, of: 1, delivered: 1, read: 0, members: [] };
        return Promise.resolve(E.map(() => answer)(mine(id, userId)));
      },
      sync: (_actor, request) => {
        calls.push(`sync ${JSON.stringify(request)}`);
        const changes = Array.from(conversations.values()).reduce((sum, { messages }) => sum + messages.length, 0);
        const none = { conversations: [], newConversations: [], left: [] };
        return Promise.resolve(
          E.right({ epoch: "epoch-1", reset: false, ...none, token: `changes-${changes}`, serverTime: 1 }),
        );
      },
      me: ({ userId, deviceId }) => {
        calls.push("me");
        const own = devices.get(userId);
        if (!own) return Promise.resolve(E.left(reject("USER_NOT_FOUND", "never seen")));
        const listed = own.map((device) =>
          device.deviceId === deviceId
            ? { ...device, lastSeen: 1, current: true as const }
            : { ...device, lastSeen: 1 },
        );
        const profile = profiles.get(userId) ?? { privacy: defaultPrivacy };
        return Promise.resolve(E.right({ userId, ...profile, devices: listed, blocks: [] }));
      },
      user: (userId) =>
        Promise.resolve(devices.has(userId) ? E.right({ userId }) : E.left(reject("USER_NOT_FOUND", "never seen"))),
    },
  };
  return {
    app,
    conversations,
    devices,
    calls,
    typed,
    waits,
    position: () => position,
    stuckAt: (at: number) => {
      stuckAt = at;
    },
    /** Commands wait until the function returned is called. */
    holdCommands: (): (() => void) => {
      let release: () => void = () => undefined;
      hold = new Promise((resolve) => {
        release = resolve;
      });
      return release;
    },
    breakDown: (name: string, error = new Error(`secret of ${name}`)) =>
      broken.set(name, () => {
        throw error;
      }),
  };
};

const badToken: TokenRefusal = { code: "UNAUTHORIZED", message: "The token is bad." };
const unjudged: TokenRefusal = { code: "UNAVAILABLE", message: "No keys to judge it by." };

/** The gateway's layer between sockets and the application, whole, on the application in memory. */
export const createGatewayKit = (memory = createMemoryApp(), limits: { readonly messageRate?: MessageRate } = {}) => {
  const metrics: string[] = [];
  const logged: object[] = [];
  const log = (details: object): void => void logged.push(details);
  const quiet = (): void => undefined;
  const gatewayMetrics: GatewayMetrics = {
    connectionOpened: quiet,
    reconnected: quiet,
    connectionClosed: quiet,
    authenticationFailed: (where) => void metrics.push(`authentication ${where}`),
    heartbeatFailed: () => void metrics.push("heartbeat"),
    sendLatency: (seconds) => void metrics.push(`latency ${seconds >= 0 && seconds < 5 ? "sane" : "absurd"}`),
    request: (type, outcome) => void metrics.push(`${type} ${outcome}`),
    framesQueued: quiet,
    framesDropped: quiet,
    outboxBytes: quiet,
  };
  let now = 1_000_000;
  let uptime = 1_000;
  const deps = {
    ...limits,
    app: memory.app,
    shared: createShared(memory.app),
    /** `user/device` is a good token, also with `/` and when it was issued. */
    authenticate: (token: string) => {
      if (token === "broken") return Promise.reject(new Error("secret of the authenticator"));
      const [userId, deviceId, issuedAt] = token.split("/");
      if (token === "unjudged") return Promise.resolve(E.left<TokenRefusal, Claims>(unjudged));
      if (!userId || !deviceId) return Promise.resolve(E.left<TokenRefusal, Claims>(badToken));
      const claims: Claims = { userId, deviceId, expiresAt: now + 3_600_000 };
      return Promise.resolve(
        E.right<TokenRefusal, Claims>(issuedAt === undefined ? claims : { ...claims, issuedAt: Number(issuedAt) }),
      );
    },
    metrics: gatewayMetrics,
    logger: { debug: quiet, info: quiet, warn: log, error: log },
    clock: () => now,
    monotonic: () => uptime,
    ids: { uuid: randomUUID },
    config: { heartbeatIntervalMs: 30_000, limits: { maxMessageBytes: 16_384, maxFrameBytes: 131_072 } },
  };
  return {
    ...memory,
    metrics,
    logged,
    shared: deps.shared,
    dispatcher: createDispatcher(deps),
    rest: createRest(deps),
    now: () => now,
    pass: (ms: number) => {
      now += ms;
      uptime += ms;
    },
    /** The wall clock alone. */
    setClock: (byMs: number) => {
      now += byMs;
    },
  };
};

export type SentFrame = { type: string; id?: string; payload: Record<string, unknown> };

export const createConnection = (userId: string, deviceId = "phone") => {
  const frames: SentFrame[] = [];
  const closes: number[] = [];
  const connection: Connection = {
    connectionId: randomUUID(),
    actor: { userId, deviceId },
    deviceType: "mobile",
    send: (frame) => void frames.push(JSON.parse(frame) as SentFrame),
    close: (code) => void closes.push(code),
  };
  return { connection, frames, closes, types: () => frames.map(({ type }) => type) };
};
