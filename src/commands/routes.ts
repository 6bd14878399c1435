import {
  decodeConversationEvent,
  decodeReceiptsEvent,
  decodeUserEvent,
  type DomainEvent,
} from "../domain/catalogue.js";
import { conversation } from "../domain/conversation/conversation.decide.js";
import { rewind, type Conversation, type ConversationCommand } from "../domain/conversation/conversation.js";
import type { ConversationEvent } from "../domain/conversation/conversation.events.js";
import { conversationSnapshot } from "../domain/conversation/conversation.snapshot.js";
import { findRecent } from "../domain/conversation/recent.js";
import type { CommandContext, Decider } from "../domain/kernel/decider.js";
import type { SnapshotFormat } from "../domain/kernel/chunks.snapshot.js";
import { streamOf, type RecordedEvent, type Revision, type StreamName } from "../domain/kernel/stream.js";
import type { ReceiptsEvent } from "../domain/receipts/receipts.events.js";
import { receipts, type AdvanceCursors, type Receipts } from "../domain/receipts/receipts.js";
import { receiptsSnapshot } from "../domain/receipts/receipts.snapshot.js";
import type { UserEvent } from "../domain/user/user.events.js";
import { user, type User, type UserCommand } from "../domain/user/user.js";
import { userSnapshot } from "../domain/user/user.snapshot.js";
import { weightOfConversation, weightOfReceipts, weightOfUser } from "./weights.js";

/** Where an aggregate's commands go: its stream, its decider, and what its appends expect. */
export type Route<Command, State, Event> = {
  readonly stream: (id: string) => StreamName;
  readonly decider: Decider<Command, State, Event>;
  readonly decode: (recorded: RecordedEvent) => Event;
  /** `any` only where all events commute: then nobody ever conflicts. */
  readonly expects: "revision" | "any";
  /** Whether `command` can be decided on `state` without reading anything first. Missing: always. */
  readonly isPrepared?: (state: State, command: Command) => boolean;
  /** The command with what has to be read for it; undefined when nothing has to. */
  readonly prepare?: (state: State, command: Command) => Promise<Command> | undefined;
  /**
   * The command that was accepted before, with what the state knows of that: later commands of the same batch may push
   * it out of the state before the answer is made.
   */
  readonly remembering?: (state: State, command: Command) => Command;
  /** Bytes in memory, roughly. */
  readonly weigh: (state: State) => number;
  readonly snapshot: SnapshotFormat<State>;
  /** Takes back from a state what was folded in beyond `revision` in place. */
  readonly rewind?: (state: State, revision: Revision) => void;
};

/** An aggregate as far as this process has read or written it. */
export type Loaded<State> = {
  readonly state: State;
  readonly revision: Revision;
  /** Of the event at `revision`; empty before the first. */
  readonly eventId: string;
  /** Revision of its last snapshot. */
  readonly snapshotAt: Revision;
};

/** What every routed command and event has. */
export type Routed = { readonly context: CommandContext };
export type RoutedEvent = DomainEvent;

const conversationRoute: Route<ConversationCommand, Conversation, ConversationEvent> = {
  stream: streamOf.conversation,
  decider: conversation,
  decode: decodeConversationEvent,
  expects: "revision",
  weigh: weightOfConversation,
  snapshot: conversationSnapshot,
  remembering: (state, command) => {
    if (state.situation === "absent" || command.type !== "SendMessage") return command;
    const message = findRecent(state.recent, command.messageId);
    if (message === undefined) return command;
    return { ...command, found: new Map([[command.messageId, { ...message, deleted: false, reactions: [] }]]) };
  },
  rewind,
};

const receiptsRoute: Route<AdvanceCursors, Receipts, ReceiptsEvent> = {
  stream: streamOf.receipts,
  decider: receipts,
  decode: decodeReceiptsEvent,
  expects: "any",
  weigh: weightOfReceipts,
  snapshot: receiptsSnapshot,
};

const userRoute: Route<UserCommand, User, UserEvent> = {
  stream: streamOf.user,
  decider: user,
  decode: decodeUserEvent,
  expects: "revision",
  weigh: weightOfUser,
  snapshot: userSnapshot,
};

/** The only list of aggregates. */
export const routes = { conversation: conversationRoute, receipts: receiptsRoute, user: userRoute } as const;
