import fc from "fast-check";
import { encodeEvent, type DomainEvent } from "../../src/domain/catalogue.js";
import {
  defaultSettings,
  type ConversationProfile,
  type Role,
  type Settings,
} from "../../src/domain/conversation/conversation.events.js";
import { messageIdOf } from "../../src/domain/kernel/ids.js";
import { streamOf, type RecordedEvent } from "../../src/domain/kernel/stream.js";

/**
 * Random logs of a few users in a few conversations. A script of wishes becomes events as the formats promise them
 * (sequences and revisions without gaps, nobody joins twice); wishes that the moment does not allow are skipped.
 */
export const users = ["alice", "bob", "carol", "dave"] as const;
export const conversationIds = ["d_direct", "g_one", "g_two"] as const;
type User = (typeof users)[number];
type ConversationName = (typeof conversationIds)[number];

type Wish =
  | { readonly do: "join"; readonly in: ConversationName; readonly users: readonly User[]; readonly all: boolean }
  | { readonly do: "leave"; readonly in: ConversationName; readonly user: User }
  | { readonly do: "role"; readonly in: ConversationName; readonly user: User; readonly role: Role }
  | { readonly do: "rename"; readonly in: ConversationName; readonly name: string; readonly settings: Settings }
  | { readonly do: "send"; readonly in: ConversationName; readonly user: User; readonly reply: boolean }
  | {
      readonly do: "receipt";
      readonly in: ConversationName;
      readonly user: User;
      readonly share: number;
      readonly read: boolean;
    }
  | { readonly do: "register"; readonly user: User; readonly device: string; readonly mobile: boolean };

/** What a log's events say about one conversation, folded the naive way. */
type Naive = {
  readonly id: ConversationName;
  readonly kind: "direct" | "group";
  readonly present: Set<User>;
  readonly ever: Set<User>;
  lastSequence: number;
  name: string | undefined;
  settings: Settings;
};

const conversation = fc.constantFrom(...conversationIds);
const user = fc.constantFrom(...users);
/** In hundredths, since almost all doubles below one are next to nothing. */
const share = fc.integer({ min: 0, max: 100 }).map((hundredths) => hundredths / 100);
const settings: fc.Arbitrary<Settings> = fc
  .boolean()
  .map((onlyAdminsCanPost) => ({ ...defaultSettings, onlyAdminsCanPost }));

const wish: fc.Arbitrary<Wish> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("join" as const),
      in: conversation,
      users: fc.subarray([...users], { minLength: 1 }),
      all: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("leave" as const), in: conversation, user }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("role" as const),
      in: conversation,
      user,
      role: fc.constantFrom<Role>("owner", "admin", "member"),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("rename" as const),
      in: conversation,
      name: fc.string({ maxLength: 5 }),
      settings,
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant("send" as const), in: conversation, user, reply: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("receipt" as const),
      in: conversation,
      user,
      share,
      read: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("register" as const),
      user,
      device: fc.constantFrom("phone", "laptop"),
      mobile: fc.boolean(),
    }),
  },
);

type WithoutPlace<E> = E extends DomainEvent ? Omit<E, "id" | "at" | "by"> : never;

/** Writes a log: every event gets the next revision of its stream and the next position. */
export const createWriter = () => {
  const log: RecordedEvent[] = [];
  const revisions = new Map<string, number>();
  const write = (stream: string, by: string, event: WithoutPlace<DomainEvent>, id = `event-${log.length}`): void => {
    const revision = (revisions.get(stream) ?? -1) + 1;
    revisions.set(stream, revision);
    const position = log.length + 1;
    const full = { ...event, id, at: 1_000 + position, by: { userId: by, deviceId: "phone" } } as DomainEvent;
    const { type, data, meta } = encodeEvent(full, { commandId: id, correlationId: id });
    // Without the decoded event that `encodeEvent` may leave beside the texts: what is read from a log is text.
    log.push({ id, type, data, meta, stream, revision, position });
  };
  return { log, write };
};
type Write = ReturnType<typeof createWriter>["write"];

const profileOf = (state: Naive): ConversationProfile => ({
  kind: state.kind,
  createdBy: "alice",
  createdAt: 1,
  settings: state.settings,
  ...(state.name === undefined ? {} : { name: state.name }),
});

const join = (write: Write, state: Naive, joining: readonly User[], all: boolean): void => {
  const newcomers = joining.filter((name) => !state.present.has(name));
  if (newcomers.length === 0) return;
  for (const name of newcomers) {
    state.present.add(name);
    state.ever.add(name);
  }
  write(streamOf.conversation(state.id), "alice", {
    type: "MemberJoined",
    members: newcomers.map((userId) => ({ userId, role: "member" })),
    visibleFrom: all ? 1 : state.lastSequence + 1,
    sequence: state.lastSequence,
    memberCount: state.present.size,
    profile: profileOf(state),
  });
};

const start = (write: Write, id: ConversationName): Naive => {
  const kind = id.startsWith("d_") ? "direct" : "group";
  const name = kind === "group" ? id : undefined;
  const state: Naive = {
    id,
    kind,
    present: new Set(),
    ever: new Set(),
    lastSequence: 0,
    name,
    settings: defaultSettings,
  };
  const stream = streamOf.conversation(id);
  write(stream, "alice", { type: "ConversationStarted", conversationId: id, home: "main", profile: profileOf(state) });
  join(write, state, ["alice", "bob"], false);
  return state;
};

const grant = (write: Write, state: Naive, wished: Exclude<Wish, { do: "register" }>): void => {
  const stream = streamOf.conversation(state.id);
  switch (wished.do) {
    case "join":
      if (state.kind === "group") join(write, state, wished.users, wished.all);
      return;
    case "leave":
      if (state.kind === "direct" || !state.present.delete(wished.user)) return;
      write(stream, wished.user, {
        type: "MemberLeft",
        userId: wished.user,
        leftAt: state.lastSequence + 1,
        memberCount: state.present.size,
      });
      return;
    case "role":
      if (state.present.has(wished.user))
        write(stream, "alice", { type: "MemberRoleChanged", userId: wished.user, role: wished.role });
      return;
    case "rename":
      state.name = wished.name;
      state.settings = wished.settings;
      write(stream, "alice", { type: "SettingsChanged", changes: { name: wished.name, settings: wished.settings } });
      return;
    case "send":
      if (state.present.has(wished.user)) send(write, state, wished.user, wished.reply);
      return;
    case "receipt": {
      if (!state.ever.has(wished.user)) return;
      const upTo = Math.floor(wished.share * state.lastSequence);
      const cursor = {
        userId: wished.user,
        deviceId: "phone",
        at: 1,
        ...(wished.read ? { readUpTo: upTo } : { deliveredUpTo: upTo }),
      };
      write(streamOf.receipts(state.id), wished.user, {
        type: "ReceiptsAdvanced",
        conversationId: state.id,
        cursors: [cursor],
      });
    }
  }
};

const send = (write: Write, state: Naive, by: User, reply: boolean): void => {
  const clientMessageId = `m${state.lastSequence}`;
  const messageId = messageIdOf(state.id, { userId: by, deviceId: "phone" }, clientMessageId);
  state.lastSequence += 1;
  const event = {
    type: "MessageSent" as const,
    messageId,
    sequence: state.lastSequence,
    clientMessageId,
    contentType: "text" as const,
    content: {
      alg: "none" as const,
      keyId: "",
      data: JSON.stringify({ type: "text", text: `${by} ${clientMessageId}` }),
    },
    ...(reply ? { replyTo: messageId } : {}),
  };
  write(streamOf.conversation(state.id), by, event, messageId);
};

/** A whole log: the conversations start where they are first wished for. */
export const logOf = (wishes: readonly Wish[]): readonly RecordedEvent[] => {
  const { log, write } = createWriter();
  const started = new Map<ConversationName, Naive>();
  for (const name of users) write(streamOf.user(name), name, { type: "UserRegistered", userId: name, home: "main" });
  for (const wished of wishes) {
    if (wished.do === "register") {
      const deviceType = wished.mobile ? "mobile" : "desktop";
      write(streamOf.user(wished.user), wished.user, { type: "DeviceRegistered", deviceId: wished.device, deviceType });
      continue;
    }
    const state = started.get(wished.in) ?? start(write, wished.in);
    started.set(wished.in, state);
    grant(write, state, wished);
  }
  return log;
};

export const logs: fc.Arbitrary<readonly RecordedEvent[]> = fc
  .array(wish, { minLength: 1, maxLength: 80, size: "max" })
  .map(logOf);
