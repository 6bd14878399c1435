import type { ConnectionState } from "./connection.js";
import type { ConversationState } from "./conversation.js";
import type { Emitter } from "./emitter.js";
import { createEngine, type Engine } from "./engine.js";
import { ParleyError } from "./errors.js";
import type { ClientEvents } from "./events.js";
import { defaults, type ClientOptions } from "./options.js";
import type { Ack, Connected, Content, MessageAck } from "./protocol.js";
import { createRest, type Rest } from "./rest.js";

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
  /**
   * Puts a message into the outbox; it is visible at once in the conversation's `pending`. `accepted` resolves when it
   * is durable, however many reconnects that takes, and rejects with ParleyError when it is refused for good.
   */
  readonly send: (
    conversationId: string,
    content: Content,
    options?: { clientMessageId?: string; replyTo?: string },
  ) => { readonly clientMessageId: string; readonly accepted: Promise<MessageAck> };
  /** Removes a refused message from `pending`. */
  readonly discard: (conversationId: string, clientMessageId: string) => void;
  /** Kept and repeated until the server has it. */
  readonly markDelivered: (conversationId: string, upToSequence: number) => void;
  /** Kept and repeated until the server has it; read implies delivered. */
  readonly markRead: (conversationId: string, upToSequence: number) => void;
  readonly edit: (conversationId: string, messageId: string, content: Content) => Promise<Ack>;
  readonly remove: (conversationId: string, messageId: string) => Promise<Ack>;
  readonly react: (conversationId: string, messageId: string, emoji: string) => Promise<Ack>;
  readonly unreact: (conversationId: string, messageId: string, emoji: string) => Promise<Ack>;
  readonly leave: (conversationId: string) => Promise<void>;
  /** Fetches a token and continues the connection with it, before the old one expires. */
  readonly refreshToken: () => Promise<void>;
  /** Any request of the protocol; resolves with its answer's payload. Not repeated: rejects when the connection is lost. */
  readonly request: (type: string, payload: object) => Promise<Readonly<Record<string, unknown>>>;
  /** The server's limits and ids of the present connection. */
  readonly connected: () => Connected | undefined;
};

export function createClient(options: ClientOptions): Client {
  const rest = createRest({ requestTimeoutMs: defaults.requestTimeoutMs, ...options });
  const engine = createEngine(options, rest);
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
  if (options.signal?.aborted === true) close();

  return {
    ...rest,
    ...callsOf(options, rest, engine),
    ...sendingOf(options, engine),
    connect: () => {
      if (!closed) connection.connect();
    },
    close,
    on: emitter.on,
    connection: connection.state,
    connected: engine.connected,
    conversations: account.conversations,
  };
}

type Sending = Pick<Client, "send" | "discard" | "markDelivered" | "markRead">;

/** What is kept and repeated until the server has it. */
function sendingOf({ platform }: ClientOptions, { account, outbox, receipts }: Engine): Sending {
  return {
    send: (conversationId, content, more = {}) => {
      const clientMessageId = more.clientMessageId ?? platform.uuid();
      const replyTo = more.replyTo === undefined ? {} : { replyTo: more.replyTo };
      return { clientMessageId, accepted: outbox.send({ conversationId, clientMessageId, content, ...replyTo }) };
    },
    discard: outbox.discard,
    markDelivered: (conversationId, upToSequence) => {
      receipts.mark("delivered", conversationId, upToSequence);
    },
    markRead: (conversationId, upToSequence) => {
      if (account.conversations.has(conversationId)) account.apply(conversationId, { kind: "read", upToSequence });
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
function callsOf({ token }: ClientOptions, rest: Rest, { account, requests, sync }: Engine): Calls {
  const request: Client["request"] = async (type, payload) => (await requests.request(type, payload)).payload;
  /** The frame may be on its way; asking costs little and does not depend on it. */
  const learn = <A extends { readonly conversationId: string }>(conversation: A): A => {
    if (!account.conversations.has(conversation.conversationId)) sync.require(conversation.conversationId);
    return conversation;
  };
  return {
    request,
    edit: (conversationId, messageId, content) => request("message.edit", { conversationId, messageId, content }),
    remove: (conversationId, messageId) => request("message.delete", { conversationId, messageId }),
    react: (conversationId, messageId, emoji) => request("reaction.add", { conversationId, messageId, emoji }),
    unreact: (conversationId, messageId, emoji) => request("reaction.remove", { conversationId, messageId, emoji }),
    createDirect: async (userId) => learn(await rest.createDirect(userId)),
    createGroup: async (group) => learn(await rest.createGroup(group)),
    leave: async (conversationId) => {
      const { userId } = account.me();
      await rest.removeMember(conversationId, userId === "" ? (await rest.me()).userId : userId);
    },
    history: async (conversationId, page) => {
      const answer = await rest.history(conversationId, page);
      account.apply(conversationId, { kind: "history", messages: answer.messages });
      return answer;
    },
    refreshToken: async () => {
      await request("auth.refresh", { token: await token({ rejected: false }) });
    },
  };
}
