import type { EventLog } from "../../commands/ports.js";
import { decodeConversationEvent, UnreadableEvent } from "../../domain/catalogue.js";
import { absent, evolve, type Conversation } from "../../domain/conversation/conversation.js";
import type { ConversationEvent } from "../../domain/conversation/conversation.events.js";
import { bySystem, byOf, userIdOf, type By } from "../../domain/kernel/by.js";
import type { ConversationId, Sequence, UserId } from "../../domain/kernel/ids.js";
import { sealedAs, type Sealed } from "../../domain/kernel/sealed.js";
import { streamOf, type RecordedEvent } from "../../domain/kernel/stream.js";
import { streamEvents } from "../../domain/kernel/stream-pages.js";
import type { PositionRange } from "./range.js";
import { messageOf } from "./message.js";
import type { People } from "./people.js";
import { createReaders } from "./readers.js";
import type { ArchivedConversation, ArchiveItem, ArchiveRecord, Opened, OpenText, Person } from "./record.js";

/** What records are made with. */
export type RecordSource = {
  readonly log: Pick<EventLog, "readStream">;
  readonly open: OpenText;
  readonly people: People;
};

/** Of what lies before the range only what says who was a member and what the conversation was called. */
const folded: ReadonlySet<string> = new Set([
  "ConversationStarted",
  "MemberJoined",
  "MemberLeft",
  "MemberRoleChanged",
  "SettingsChanged",
] satisfies readonly ConversationEvent["type"][]);

/**
 * What happened in a conversation within a range of the log, by revision; `user`: only what they did, what was done to
 * them, and what they could see. In memory is one page of events and the members of this conversation.
 */
export async function* recordsOf(
  source: RecordSource,
  conversationId: ConversationId,
  { after, upTo }: PositionRange,
  user?: UserId,
): AsyncGenerator<ArchiveItem> {
  const { log, open, people } = source;
  const stream = streamOf.conversation(conversationId);
  const readers = createReaders(people);
  const named = createNames(open, conversationId);
  let state: Conversation = absent;
  let hasBegun = false;
  let at = 0;
  for await (const recorded of streamEvents(log, stream, { upTo })) {
    const { position, type } = recorded;
    if (position <= after && !folded.has(type)) continue;
    const before = state;
    const event = decoded(recorded);
    if (!(event instanceof UnreadableEvent)) {
      state = evolve(state, event);
      at = event.at;
    }
    if (position <= after) continue;
    const conversation = await named.of(state);
    for await (const record of recordsOfEvent({ source, readers, recorded, event, conversation, state, at })) {
      if (user !== undefined && !concerns(record, user, before, state)) {
        // Who came or went behind their back is not told by a record: it begins again with those who are there.
        hasBegun &&= record.visibleTo !== undefined;
        continue;
      }
      if (!hasBegun) yield { begins: conversation, present: await readers.present(before, position) };
      hasBegun = true;
      yield { record };
    }
  }
}

const decoded = (recorded: RecordedEvent): ConversationEvent | UnreadableEvent => {
  try {
    return decodeConversationEvent(recorded);
  } catch (error) {
    // It is named in a record of its own: one damaged event must not keep the others out of an archive.
    if (!(error instanceof UnreadableEvent)) throw error;
    return error;
  }
};

/** What is about a message they have to be able to see; all else happens before all members. */
const concerns = (record: ArchiveRecord, user: UserId, before: Conversation, after: Conversation): boolean => {
  if (record.author?.userId === user || record.subject?.userId === user) return true;
  if (record.visibleTo !== undefined) return record.visibleTo.some(({ userId }) => userId === user);
  return isMember(before, user) || isMember(after, user);
};

const isMember = (state: Conversation, user: UserId): boolean =>
  state.situation === "started" && state.members.has(user);

/** The conversation as it was called; what it is called is opened again only when it was changed. */
const createNames = (open: OpenText, id: ConversationId) => {
  let of: Sealed | undefined;
  let name: Opened | undefined;
  return {
    of: async (state: Conversation): Promise<ArchivedConversation> => {
      // Its first event cannot be read: an id says what kind it is.
      if (state.situation === "absent") return { id, kind: id.startsWith("d_") ? "direct" : "group" };
      const { kind, name: sealed } = state.profile;
      if (sealed !== of) {
        of = sealed;
        name = sealed && (await open(sealedAs.name(id), sealed, undefined));
      }
      return name === undefined ? { id, kind } : { id, kind, name };
    },
  };
};

type Happened = {
  readonly source: RecordSource;
  readonly readers: ReturnType<typeof createReaders>;
  readonly recorded: RecordedEvent;
  readonly event: ConversationEvent | UnreadableEvent;
  readonly conversation: ArchivedConversation;
  readonly state: Conversation;
  readonly at: number;
};

/** One record an event; of a joining one for each who joined. */
async function* recordsOfEvent(happened: Happened): AsyncGenerator<ArchiveRecord> {
  const { source, readers, recorded, event, conversation, state, at } = happened;
  const { position, revision, id: eventId } = recorded;
  const person = async (userId: UserId): Promise<Person> => (await source.people.at(userId, position)).person;
  const place = { position, revision, eventId, at, conversation };
  if (event instanceof UnreadableEvent) {
    yield { ...place, kind: "unreadable", by: actorIn(recorded), unreadable: event.message };
    return;
  }
  const { by } = event;
  const userId = userIdOf(by);
  const common = { ...place, by, ...(userId === undefined ? {} : { author: await person(userId) }) };
  const about = async (sequence: Sequence): Promise<readonly Person[]> => readers.of(state, sequence, position);
  switch (event.type) {
    case "ConversationStarted":
      yield { ...common, kind: "started", settings: await openedTexts(source.open, conversation.id, event.profile) };
      return;
    case "MemberJoined":
      for (const { userId: joined, role } of event.members)
        yield {
          ...common,
          kind: "joined",
          subject: { ...(await person(joined)), role, visibleFrom: event.visibleFrom },
        };
      return;
    case "MemberLeft":
      yield { ...common, kind: "left", subject: await person(event.userId) };
      return;
    case "MemberRoleChanged":
      yield { ...common, kind: "role", subject: { ...(await person(event.userId)), role: event.role } };
      return;
    case "SettingsChanged":
      yield { ...common, kind: "settings", settings: await openedTexts(source.open, conversation.id, event.changes) };
      return;
    case "MessageSent":
    case "MessageEdited":
    case "MessageDeleted":
    case "ReactionAdded":
    case "ReactionRemoved":
      yield {
        ...common,
        kind: kinds[event.type],
        message: await messageOf(event, conversation.id, source.open, person),
        visibleTo: await about(event.sequence),
      };
  }
}

const kinds = {
  MessageSent: "message",
  MessageEdited: "edit",
  MessageDeleted: "deletion",
  ReactionAdded: "reaction",
  ReactionRemoved: "reaction_removed",
} as const;

/** As far as a damaged event says it. */
const actorIn = ({ meta }: RecordedEvent): By => {
  try {
    return byOf((JSON.parse(meta) as { readonly by?: unknown } | null)?.by) ?? bySystem;
  } catch {
    return bySystem;
  }
};

type Texts = { readonly name?: Sealed; readonly description?: Sealed };

const openedTexts = async (
  open: OpenText,
  id: ConversationId,
  { name, description, ...settings }: Texts & Readonly<Record<string, unknown>>,
): Promise<Readonly<Record<string, unknown>>> => ({
  ...(name === undefined ? {} : { name: await open(sealedAs.name(id), name, undefined) }),
  ...(description === undefined ? {} : { description: await open(sealedAs.description(id), description, undefined) }),
  ...settings,
});
