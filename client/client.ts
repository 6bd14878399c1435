import { abortable, type CallOptions } from "./abort.js";
import type { ConnectionState } from "./connection.js";
import type { ConversationState } from "./conversation.js";
import type { Emitter } from "./emitter.js";
import { createEngine, type Engine } from "./engine.js";
import { ParleyError } from "./errors.js";
import type { ClientEvents } from "./events.js";
import { settingsOf, type ClientOptions, type Settings } from "./options.js";
import type { Ack, Connected, Content, MessageAck } from "./protocol.js";
import { createRest, tokenWith, type Rest } from "./rest.js";

/** `mentions`: at most 50 user ids; the server leaves out users who are no members. */
export type SendOptions = {
  readonly clientMessageId?: string;
  readonly replyTo?: string;
  readonly mentions?: readonly string[];
  readonly forwarded?: true;
};

/**
 * A device's view of its user's conversations. It connects, catches up, heals gaps and sends again by itself; the state
 * is in `conversations`, what happens in the events. REST calls are on it as well; those here that share a name with one
 * (`history`, `createDirect`, `createGroup`) also put what they learn into the state.
 */
export type Client = Rest & {
  readonly connect: () => void;
  /** For good. Unacknowledged messages stay in `storage`; their promises reject with CLOSED. */
  readonly close: () => void;
  /** The result removes the handler. */
  readonly on: Emitter<ClientEvents>["on"];
  readonly connection: () => ConnectionState;
  readonly conversations: ReadonlyMap<string, ConversationState>;
  /** Users of whom this client heard that they were erased: at most the newest 10,000, until the log has another epoch. */
  readonly erased: ReadonlySet<string>;
  /**
   * Puts a message into the outbox; it is visible at once in the conversation's `pending`. `accepted` resolves when it
   * is durable, however many reconnects that takes, and rejects with ParleyError when it is refused for good. `signal`
   * ends the waiting, not the message: that stays in the outbox, and `pending` tells what becomes of it.
   */
  readonly send: (
    conversationId: string,
    content: Content,
    options?: SendOptions & CallOptions,
  ) => { readonly clientMessageId: string; readonly accepted: Promise<MessageAck> };
  /** Removes a refused message from `pending`. */
  readonly discard: (conversationId: string, clientMessageId: string) => void;
  /** Kept and repeated until the server has it. */
  readonly markDelivered: (conversationId: string, upToSequence: number) => void;
  /** Kept and repeated until the server has it; read implies delivered. */
  readonly markRead: (conversationId: string, upToSequence: number) => void;
  readonly edit: (conversationId: string, messageId: string, content: Content, options?: CallOptions) => Promise<Ack>;
  readonly remove: (conversationId: string, messageId: string, options?: CallOptions) => Promise<Ack>;
  readonly react: (conversationId: string, messageId: string, emoji: string, options?: CallOptions) => Promise<Ack>;
  readonly unreact: (conversationId: string, messageId: string, emoji: string, options?: CallOptions) => Promise<Ack>;
  readonly leave: (conversationId: string, options?: CallOptions) => Promise<void>;
  /** Fetches a token and continues the connection with it, before the old one expires. */
  readonly refreshToken: (options?: CallOptions) => Promise<void>;
  /** Any request of the protocol; resolves with its answer's payload. Not repeated: rejects when the connection is lost. */
  readonly request: (
    type: string,
    payload: object,
    options?: CallOptions,
  ) => Promise<Readonly<Record<string, unknown>>>;
  /** The server's limits and ids of the present connection. */
  readonly connected: () => Connected | undefined;
};

/** @throws TypeError for a URL that is no server's. */
export function createClient(options: ClientOptions): Client {
  const settings = settingsOf(options);
  const rest = createRest(settings);
  const engine = createEngine(settings, rest);
  const { account, connection, emitter } = engine;
  let closed = false;
  const close = (): void => {
    if (closed) return;
    closed = true;
    const cause = new ParleyError("CLOSED", "the client was closed");
    connection.close(cause);
    engine.outbox.close(cause);
    options.signal?.removeEventListener("abort", close);
  };
  options.signal?.addEventListener("abort", close);
  emitter.on("dropped", ({ reason }) => {
    if (reason === "erased") close();
  });
  if (options.signal?.aborted === true) close();

  return {
    ...rest,
    ...callsOf(settings, rest, engine),
    ...sendingOf(settings, engine),
    connect: () => {
      if (!closed) connection.connect();
    },
    close,
    on: emitter.on,
    connection: connection.state,
    connected: engine.connected,
    conversations: account.conversations,
    erased: account.erased,
  };
}

/** `signal` is no part of a message, and what is undefined is not there. */
function askedOf({ replyTo, mentions, forwarded }: SendOptions): Omit<SendOptions, "clientMessageId"> {
  return {
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(mentions === undefined ? {} : { mentions }),
    ...(forwarded === undefined ? {} : { forwarded }),
  };
}

type Sending = Pick<Client, "send" | "discard" | "markDelivered" | "markRead">;

/** What is kept and repeated until the server has it. */
function sendingOf({ platform }: Settings, { account, outbox, receipts }: Engine): Sending {
  return {
    send: (conversationId, content, more = {}) => {
      const clientMessageId = more.clientMessageId ?? platform.uuid();
      const message = { conversationId, clientMessageId, content, ...askedOf(more) };
      const accepted = abortable(outbox.send(message), more);
      // As without a signal: not looking at the promise must not end the process.
      accepted.catch(() => undefined);
      return { clientMessageId, accepted };
    },
    discard: outbox.discard,
    markDelivered: (conversationId, upToSequence) => {
      receipts.mark("delivered", conversationId, upToSequence);
    },
    markRead: (conversationId, upToSequence) => {
      const known = account.conversations.has(conversationId) && Number.isSafeInteger(upToSequence);
      if (known) account.apply(conversationId, { kind: "read", upToSequence });
      receipts.mark("read", conversationId, upToSequence);
    },
  };
}

type Calls = Pick<
  Client,
  | "edit"
  | "remove"
  | "react"
  | "unreact"
  | "createDirect"
  | "createGroup"
  | "leave"
  | "history"
  | "refreshToken"
  | "request"
>;

/** What is asked once, and rejects when it fails. */
function callsOf(settings: Settings, rest: Rest, { account, requests, sync }: Engine): Calls {
  const tokenOf = tokenWith(settings);
  const request: Client["request"] = async (type, payload, more = {}) =>
    (await abortable(requests.request(type, payload), more)).payload;
  /** The frame may be on its way; asking costs little and does not depend on it. */
  const learn = <A extends { readonly conversationId: string }>(conversation: A): A => {
    if (!account.conversations.has(conversation.conversationId)) sync.require(conversation.conversationId);
    return conversation;
  };
  return {
    request,
    edit: (conversationId, messageId, content, more) =>
      request("message.edit", { conversationId, messageId, content }, more),
    remove: (conversationId, messageId, more) => request("message.delete", { conversationId, messageId }, more),
    react: (conversationId, messageId, emoji, more) =>
      request("reaction.add", { conversationId, messageId, emoji }, more),
    unreact: (conversationId, messageId, emoji, more) =>
      request("reaction.remove", { conversationId, messageId, emoji }, more),
    createDirect: async (userId, more) => learn(await rest.createDirect(userId, more)),
    createGroup: async (group, more) => learn(await rest.createGroup(group, more)),
    leave: async (conversationId, more) => {
      const { userId } = account.me();
      await rest.removeMember(conversationId, userId === "" ? (await rest.me(more)).userId : userId, more);
    },
    history: async (conversationId, page, more) => {
      const answer = await rest.history(conversationId, page, more);
      account.apply(conversationId, { kind: "history", messages: answer.messages });
      return answer;
    },
    refreshToken: async (more = {}) => {
      const fresh = await abortable(tokenOf(false), more);
      await request("auth.refresh", { token: fresh }, more);
    },
  };
}
