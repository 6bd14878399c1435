import {
  decodeConversationEvent,
  decodeReceiptsEvent,
  decodeUserEvent,
  type DomainEvent,
} from "../domain/catalogue.js";
import { conversation } from "../domain/conversation/conversation.decide.js";
import type { Conversation, ConversationCommand } from "../domain/conversation/conversation.js";
import type { ConversationEvent } from "../domain/conversation/conversation.events.js";
import { conversationSnapshot } from "../domain/conversation/conversation.snapshot.js";
import { findMessage, type Messages } from "../domain/conversation/messages.js";
import type { By } from "../domain/kernel/by.js";
import type { CommandContext, Decider } from "../domain/kernel/decider.js";
import type { SnapshotFormat } from "../domain/kernel/chunks.snapshot.js";
import { streamOf, type EventId, type RecordedEvent, type Revision, type StreamName } from "../domain/kernel/stream.js";
import type { ReceiptsEvent } from "../domain/receipts/receipts.events.js";
import { receipts, type AdvanceReceipts, type Receipts } from "../domain/receipts/receipts.js";
import { receiptsSnapshot } from "../domain/receipts/receipts.snapshot.js";
import type { UserEvent } from "../domain/user/user.events.js";
import { user } from "../domain/user/user.decide.js";
import type { User, UserCommand } from "../domain/user/user.js";
import { userSnapshot } from "../domain/user/user.snapshot.js";
import { weightOfConversation, weightOfReceipts, weightOfUser } from "./weights.js";

/** Where an aggregate's commands go: its stream, its decider, and what its appends expect. */
export type Route<Command, State, Event, Index> = {
  readonly stream: (id: string) => StreamName;
  readonly decider: Decider<Command, State, Event, Index>;
  readonly decode: (recorded: RecordedEvent) => Event;
  /** `any` only where all events commute: then no two appends ever conflict. */
  readonly expects: "revision" | "any";
  /** What has to be read before the command can be decided; undefined when nothing has to. Missing: nothing ever has. */
  readonly reading?: (folded: Folded<State, Index>, command: Command) => Reading<Command> | undefined;
  /** The command that changes nothing, with what the index knows of that: later commands of its batch may push it out. */
  readonly remembering?: (index: Index, command: Command) => Command;
  /** Bytes in memory, roughly. */
  readonly weigh: (folded: Folded<State, Index>) => number;
  readonly snapshot: SnapshotFormat<Folded<State, Index>>;
};

/** Reads when it is called; answers the command with what was read. */
export type Reading<Command> = () => Promise<Command>;

/** `index`: what the decider reads beside the state, changed in place by the events that the log has accepted. */
export type Folded<State, Index> = { readonly state: State; readonly index: Index };

/** An aggregate as far as this process has read or written it. */
export type Loaded<State, Index> = Folded<State, Index> & {
  readonly revision: Revision;
  /** Of the event at `revision`; empty before the first. */
  readonly eventId: EventId;
  /** Revision of its last snapshot. */
  readonly snapshotAt: Revision;
};

/** What every routed command and event has. */
export type Routed = { readonly context: CommandContext<By> };
export type RoutedEvent = DomainEvent;

/** Of an aggregate without an index. */
const ofState = <State>({
  version,
  chunksOf,
  stateOf,
}: SnapshotFormat<State>): Route<never, State, never, undefined>["snapshot"] => ({
  version,
  chunksOf: ({ state }) => chunksOf(state),
  stateOf: (chunks) => ({ state: stateOf(chunks), index: undefined }),
});

const conversationRoute: Route<ConversationCommand, Conversation, ConversationEvent, Messages> = {
  stream: streamOf.conversation,
  decider: conversation,
  decode: decodeConversationEvent,
  expects: "revision",
  weigh: weightOfConversation,
  snapshot: conversationSnapshot,
  remembering: (messages, command) => {
    if (command.type !== "SendMessage") return command;
    const message = findMessage(messages, command.messageId);
    if (message === undefined) return command;
    return { ...command, found: new Map([[command.messageId, { ...message, deleted: false, reactions: [] }]]) };
  },
};

const receiptsRoute: Route<AdvanceReceipts, Receipts, ReceiptsEvent, undefined> = {
  stream: streamOf.receipts,
  decider: receipts,
  decode: decodeReceiptsEvent,
  expects: "any",
  weigh: ({ state }) => weightOfReceipts(state),
  snapshot: ofState(receiptsSnapshot),
};

const userRoute: Route<UserCommand, User, UserEvent, undefined> = {
  stream: streamOf.user,
  decider: user,
  decode: decodeUserEvent,
  expects: "revision",
  weigh: ({ state }) => weightOfUser(state),
  snapshot: ofState(userSnapshot),
};

/** The only list of aggregates. */
export const routes = { conversation: conversationRoute, receipts: receiptsRoute, user: userRoute } as const;
