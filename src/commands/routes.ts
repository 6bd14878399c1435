import {
  decodeConversationEvent,
  decodeReceiptsEvent,
  decodeUserEvent,
  type DomainEvent,
} from "../domain/catalogue.js";
import { conversation } from "../domain/conversation/conversation.decide.js";
import type { Conversation, ConversationCommand } from "../domain/conversation/conversation.js";
import type { ConversationEvent } from "../domain/conversation/conversation.events.js";
import { rewindRecent } from "../domain/conversation/recent.js";
import type { CommandContext, Decider } from "../domain/kernel/decider.js";
import { streamOf, type RecordedEvent, type Revision, type StreamName } from "../domain/kernel/stream.js";
import type { ReceiptsEvent } from "../domain/receipts/receipts.events.js";
import { receipts, type AdvanceCursors, type Receipts } from "../domain/receipts/receipts.js";
import type { UserEvent } from "../domain/user/user.events.js";
import { user, type User, type UserCommand } from "../domain/user/user.js";

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
  /** Takes back from a state what was folded in beyond `revision` in place. */
  readonly rewind?: (state: State, revision: Revision) => void;
};

/** What every routed command and event has. */
export type Routed = { readonly context: CommandContext };
export type RoutedEvent = DomainEvent;

const conversationRoute: Route<ConversationCommand, Conversation, ConversationEvent> = {
  stream: streamOf.conversation,
  decider: conversation,
  decode: decodeConversationEvent,
  expects: "revision",
  rewind: (state, revision) => {
    if (state.situation === "started") rewindRecent(state.recent, revision);
  },
};

const receiptsRoute: Route<AdvanceCursors, Receipts, ReceiptsEvent> = {
  stream: streamOf.receipts,
  decider: receipts,
  decode: decodeReceiptsEvent,
  expects: "any",
};

const userRoute: Route<UserCommand, User, UserEvent> = {
  stream: streamOf.user,
  decider: user,
  decode: decodeUserEvent,
  expects: "revision",
};

/** The only list of aggregates. */
export const routes = { conversation: conversationRoute, receipts: receiptsRoute, user: userRoute } as const;
