import fc from "fast-check";
import { encodeEvent, type DomainEvent } from "../../src/domain/catalogue.js";
import {
  defaultSettings,
  type ConversationProfile,
  type Settings,
} from "../../src/domain/conversation/conversation.events.js";
import { bySystem, byUser, type By } from "../../src/domain/kernel/by.js";
import { messageIdOf } from "../../src/domain/kernel/ids.js";
import { asPosition, asRevision, streamOf, type RecordedEvent } from "../../src/domain/kernel/stream.js";
import { emojiBefore, emojiOf } from "./reactions.js";
import { asBefore, sealedText } from "./texts.js";
import { users, wish, type Acting, type ConversationName, type User, type Wish } from "./wishes.js";

export { conversationIds, users } from "./wishes.js";

/**
 * Random logs of a few users in a few conversations. A script of wishes becomes events as the formats promise them
 * (sequences and revisions without gaps, no user joins twice); wishes that the moment does not allow are skipped.
 */
/** What a log's events say about one conversation, folded the naive way. */
type Naive = {
  readonly id: ConversationName;
  readonly kind: "direct" | "group";
  readonly present: Set<User>;
  readonly ever: Set<User>;
  lastSequence: number;
  /** By sequence, from 1. */
  readonly messages: NaiveMessage[];
  name: string | undefined;
  settings: Settings;
};

type WithoutPlace<E> = E extends DomainEvent ? Omit<E, "id" | "at" | "by"> : never;

type NaiveMessage = {
  readonly messageId: string;
  readonly sequence: number;
  readonly by: User;
  deleted: boolean;
  /** Those there by `emoji user`, each as it was written. */
  readonly reactions: Map<string, ReturnType<typeof emojiOf>>;
};

/** What only a user writes, from a device; and what is a user's, through whom it may come. */
const fromDevices: ReadonlySet<string> = new Set(["UserRegistered", "DeviceRegistered", "ReceiptsAdvanced"]);
const ofPersons: ReadonlySet<string> = new Set([
  ...["MessageSent", "MessageEdited", "ReactionAdded", "ReactionRemoved"],
  "PreferencesChanged",
]);

/** Where an event of this type cannot be by such an actor, by the nearest that can. */
const actorOf = (acting: Acting | undefined, userId: string, type: string): By => {
  const user = byUser({ userId, deviceId: "phone" });
  if (acting === undefined || fromDevices.has(type)) return user;
  const isOfPerson = ofPersons.has(type);
  switch (acting) {
    case "bot":
      return { kind: "bot", userId };
    case "app for a user":
      return { kind: "app", keyId: "key", onBehalfOf: userId };
    case "app":
      return isOfPerson ? { kind: "app", keyId: "key", onBehalfOf: userId } : { kind: "app", keyId: "key" };
    case "system":
      return isOfPerson ? user : bySystem;
    case "operator":
      return isOfPerson ? user : { kind: "operator", userId: "root" };
  }
};

/** Writes a log: every event gets the next revision of its stream and the next position. */
export const createWriter = () => {
  const log: RecordedEvent[] = [];
  const revisions = new Map<string, number>();
  let acting: Acting | undefined;
  const write = (stream: string, by: string, event: WithoutPlace<DomainEvent>, id = `event-${log.length}`): void => {
    const revision = (revisions.get(stream) ?? -1) + 1;
    revisions.set(stream, revision);
    const position = log.length + 1;
    const full = { ...event, id, at: 1_000 + position, by: actorOf(acting, by, event.type) } as DomainEvent;
    const { type, data, meta } = encodeEvent(full, { commandId: id, correlationId: id });
    // Without the decoded event that `encodeEvent` may leave beside the texts: what is read from a log is text.
    log.push({ id, type, data, meta, stream, revision: asRevision(revision), position: asPosition(position) });
  };
  /** Of what is written from now on. */
  const actAs = (as: Acting | undefined): void => void (acting = as);
  return { log, write, actAs, now: () => 1_000 + log.length + 1 };
};
type Writer = ReturnType<typeof createWriter>;
type Write = Writer["write"];

const profileOf = (state: Naive): ConversationProfile => ({
  kind: state.kind,
  createdBy: "alice",
  createdAt: 1,
  settings: state.settings,
  ...(state.name === undefined ? {} : { name: sealedText(state.name) }),
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
    messages: [],
    name,
    settings: defaultSettings,
  };
  const stream = streamOf.conversation(id);
  write(stream, "alice", { type: "ConversationStarted", conversationId: id, home: "main", profile: profileOf(state) });
  join(write, state, ["alice", "bob"], false);
  return state;
};

/** Wishes about one conversation. */
type InConversation = Extract<Wish, { in: ConversationName }>;
type OfUser = Exclude<Wish, InConversation>;

const grant = (writer: Writer, state: Naive, wished: InConversation, isBefore: boolean): void => {
  const { write } = writer;
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
      write(stream, "alice", {
        type: "SettingsChanged",
        changes: { name: sealedText(wished.name), settings: wished.settings },
      });
      return;
    case "send":
      if (state.present.has(wished.user)) send(write, state, wished.user, wished.reply);
      return;
    case "edit":
    case "delete":
    case "react":
      amend(write, state, wished, isBefore);
      return;
    case "prefer":
      if (!state.present.has(wished.user)) return;
      write(streamOf.user(wished.user), wished.user, {
        type: "PreferencesChanged",
        conversationId: state.id,
        changes: wished.changes,
      });
      return;
    case "receipt":
      if (state.ever.has(wished.user)) advance(writer, state, wished);
  }
};

const advance = ({ write, now }: Writer, state: Naive, wished: Extract<Wish, { do: "receipt" }>): void => {
  const upTo = Math.floor(wished.share * state.lastSequence);
  const hidden = wished.read && wished.private === true ? { private: true as const } : {};
  const cursor = {
    userId: wished.user,
    deviceId: "phone",
    at: now(),
    ...(wished.read ? { readUpTo: upTo, ...hidden } : { deliveredUpTo: upTo }),
  };
  write(streamOf.receipts(state.id), wished.user, {
    type: "ReceiptsAdvanced",
    conversationId: state.id,
    cursors: [cursor],
  });
};

type Amend = Extract<Wish, { do: "edit" | "delete" | "react" }>;

/** Edits are the sender's, deletions any member's (an admin's); what is deleted is left alone. */
const amend = (write: Write, state: Naive, wished: Amend, isBefore: boolean): void => {
  const message = state.messages[Math.ceil(wished.share * state.messages.length) - 1];
  if (message === undefined || message.deleted || !state.present.has(wished.user)) return;
  const { messageId, sequence } = message;
  const stream = streamOf.conversation(state.id);
  if (wished.do === "delete") {
    message.deleted = true;
    write(stream, wished.user, { type: "MessageDeleted", messageId, sequence });
  } else if (wished.do === "react") {
    const key = `${wished.emoji} ${wished.user}`;
    const there = message.reactions.get(key);
    if ((there !== undefined) !== wished.remove) return;
    // One that the version before has added is removed in that one's form.
    const reaction = there ?? (isBefore ? emojiBefore(wished.emoji) : emojiOf(wished.emoji));
    if (wished.remove) message.reactions.delete(key);
    else message.reactions.set(key, reaction);
    const type = wished.remove ? "ReactionRemoved" : "ReactionAdded";
    write(stream, wished.user, { type, messageId, sequence, ...reaction });
  } else if (message.by === wished.user) {
    const content = textOf(`${wished.user} edited ${sequence}`);
    write(stream, wished.user, {
      type: "MessageEdited",
      messageId,
      sequence,
      contentType: "text",
      content,
      digest: "d",
    });
  }
};

/** Sealing is off here: what is sealed is the text itself. */
const textOf = (text: string) => ({ alg: "none" as const, keyId: "", data: JSON.stringify({ type: "text", text }) });

const grantUser = (write: Write, wished: OfUser): void => {
  const stream = streamOf.user(wished.user);
  switch (wished.do) {
    case "register": {
      const deviceType = wished.mobile ? "mobile" : "desktop";
      write(stream, wished.user, { type: "DeviceRegistered", deviceId: wished.device, deviceType });
      return;
    }
    case "removeDevice":
      write(stream, wished.user, { type: "DeviceRemoved", deviceId: wished.device });
      return;
    case "profile":
      write(stream, wished.user, { type: "ProfileChanged", changes: profileOfUser(wished.changes) });
  }
};

const profileOfUser = ({ displayName, privacy }: Extract<Wish, { do: "profile" }>["changes"]) => ({
  ...(displayName === undefined ? {} : { displayName: displayName === null ? null : sealedText(displayName) }),
  ...(privacy === undefined ? {} : { privacy }),
});

const send = (write: Write, state: Naive, by: User, reply: boolean): void => {
  const clientMessageId = `m${state.lastSequence}`;
  const messageId = messageIdOf(state.id, { userId: by, deviceId: "phone" }, clientMessageId);
  state.lastSequence += 1;
  state.messages.push({ messageId, sequence: state.lastSequence, by, deleted: false, reactions: new Map() });
  const event = {
    type: "MessageSent" as const,
    messageId,
    sequence: state.lastSequence,
    clientMessageId,
    contentType: "text" as const,
    content: textOf(`${by} ${clientMessageId}`),
    ...(reply ? { replyTo: messageId, mentions: [...state.present].slice(0, 2) } : {}),
    ...(state.lastSequence % 4 === 0 ? { forwarded: true as const } : {}),
  };
  write(streamOf.conversation(state.id), by, event, messageId);
};

/**
 * A whole log: the conversations start where they are first wished for.
 *
 * @param before so many wishes were granted by the version before, which wrote names and emoji in plain text
 */
export const logOf = (wishes: readonly Wish[], before = 0): readonly RecordedEvent[] => {
  const writer = createWriter();
  const { log, write } = writer;
  const started = new Map<ConversationName, Naive>();
  for (const name of users) write(streamOf.user(name), name, { type: "UserRegistered", userId: name, home: "main" });
  let eventsBefore = 0;
  for (const [index, wished] of wishes.entries()) {
    if (index === before) eventsBefore = log.length;
    // The version before knew users alone.
    writer.actAs(index < before ? undefined : wished.as);
    if (!("in" in wished)) {
      grantUser(write, wished);
      continue;
    }
    const state = started.get(wished.in) ?? start(write, wished.in);
    started.set(wished.in, state);
    grant(writer, state, wished, index < before);
  }
  return log.map((recorded, index) => (index < eventsBefore ? asBefore(recorded) : recorded));
};

/** Half of them go on from one that the version before has begun. */
export const logs: fc.Arbitrary<readonly RecordedEvent[]> = fc
  .tuple(fc.array(wish, { minLength: 1, maxLength: 100, size: "max" }), fc.boolean(), fc.nat({ max: 100 }))
  .map(([wishes, goesOn, before]) => logOf(wishes, goesOn ? before % wishes.length : 0));
