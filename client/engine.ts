import { createAccount, type Account } from "./account.js";
import { createConnection, type Connection, type ConnectionOptions } from "./connection.js";
import type { ConversationEffect, ConversationState } from "./conversation.js";
import { createEmitter, type Emitter } from "./emitter.js";
import { ParleyError } from "./errors.js";
import { arrivedUpTo, emitEffect, type ClientEvents } from "./events.js";
import { createHeartbeat } from "./heartbeat.js";
import { type Settings } from "./options.js";
import { createOutbox, type Outbox } from "./outbox.js";
import { memoryOutboxStore } from "./outbox-store.js";
import type { Connected } from "./protocol.js";
import { createReceipts, type Receipts } from "./receipts.js";
import { createRequests, type Requests } from "./requests.js";
import { probeWith, type Rest } from "./rest.js";
import { routeFrame } from "./router.js";
import { createSync, type Sync } from "./sync.js";

/** The moving parts of a client, wired to each other. */
export type Engine = {
  readonly emitter: Emitter<ClientEvents>;
  readonly account: Account;
  readonly requests: Requests;
  readonly receipts: Receipts;
  readonly outbox: Outbox;
  readonly sync: Sync;
  readonly connection: Connection;
  readonly connected: () => Connected | undefined;
};

/** What the parts that send requests have in common. */
type Shared = Pick<Settings, "platform"> &
  Pick<Requests, "request"> & {
    readonly backoff: Settings["backoff"];
    readonly onError: (error: ParleyError) => void;
    readonly frameBytesMax: () => number;
  };

export function createEngine(settings: Settings, rest: Rest): Engine {
  const { platform } = settings;
  const emitter = createEmitter<ClientEvents>();
  let connected: Connected | undefined;
  const frameBytesMax = (): number => connected?.limits.maxFrameBytes ?? settings.frameBytesMax;
  const requests = createRequests(platform, settings.requestTimeoutMs, frameBytesMax, (text) => connection.send(text));
  const shared: Shared = {
    platform,
    request: requests.request,
    backoff: settings.backoff,
    onError: (error) => {
      emitter.emit("error", error);
    },
    frameBytesMax,
  };
  const account = createAccount((conversation, effects, before) => {
    afterStep(engine, settings, conversation, effects, before);
  }, shared.onError);
  const receipts = createReceipts({ ...shared, coalesceMs: settings.receiptsCoalesceMs });
  const outbox = outboxOf(settings, shared, account, emitter);
  const sync: Sync = createSync({
    ...shared,
    account,
    fetchConversation: async (conversationId) => (await rest.conversation(conversationId)).conversation,
    onAttempted: () => {
      outbox.start();
      receipts.start();
    },
    onSynced: () => {
      connection.markOnline();
    },
    onDropped: () => {
      receipts.clear();
      emitter.emit("dropped", { reason: "epoch" });
    },
    onErased: (userId) => {
      onErased(userId);
    },
  });
  const onErased = (userId: string): void => {
    if (userId === account.me().userId) {
      forgetAll(engine, new ParleyError("UNAUTHORIZED", "this user was erased"));
      return;
    }
    account.erase(userId);
    emitter.emit("erased", { userId });
  };
  const parts = { emitter, account, requests, receipts, outbox, sync, onErased };
  const connection = connectionOf(settings, shared, parts, {
    onConnected: (payload) => {
      connected = payload;
    },
    onErased: (cause) => {
      forgetAll(engine, cause);
    },
  });
  const engine: Engine = { ...parts, connection, connected: () => connected };
  return engine;
}

/** The own user was erased: what this device has of the account goes, and what it has stored. */
function forgetAll({ connection, outbox, receipts, account, emitter }: Engine, cause: ParleyError): void {
  connection.close(cause);
  outbox.forget(cause);
  receipts.clear();
  account.forget();
  emitter.emit("dropped", { reason: "erased" });
}

type Parts = Omit<Engine, "connection" | "connected"> & { readonly onErased: (userId: string) => void };

function connectionOf(
  settings: Settings,
  shared: Shared,
  parts: Parts,
  { onConnected, onErased }: Pick<ConnectionOptions, "onConnected" | "onErased">,
): Connection {
  const { account, emitter, outbox, receipts, requests, sync } = parts;
  const heartbeat = createHeartbeat({
    ...shared,
    onLost: (cause) => {
      connection.recycle(cause);
    },
  });
  const connection = createConnection({
    ...settings,
    deviceType: settings.deviceType,
    probe: probeWith(settings),
    onErased,
    onConnected: (payload) => {
      onConnected(payload);
      account.become({ userId: payload.userId, deviceId: payload.deviceId });
      heartbeat.start(payload.heartbeatInterval);
      sync.start(payload.epoch);
    },
    onFrame: (frame) => {
      routeFrame(parts, frame);
    },
    onDown: (cause) => {
      heartbeat.stop();
      sync.stop();
      outbox.stop();
      receipts.stop();
      requests.failAll(cause);
    },
    onState: (state) => {
      emitter.emit("connection", state);
    },
    onError: shared.onError,
  });
  return connection;
}

function outboxOf(settings: Settings, shared: Shared, account: Account, emitter: Emitter<ClientEvents>): Outbox {
  return createOutbox({
    ...shared,
    store: settings.storage ?? memoryOutboxStore(),
    entriesMax: settings.outboxMax,
    inFlightMax: settings.inFlightMax,
    storeTimeoutMs: settings.requestTimeoutMs,
    onChange: (message) => {
      account.apply(message.conversationId, { kind: "pending", message });
      emitter.emit("pending", message);
    },
    onDiscard: ({ conversationId, clientMessageId }) => {
      account.apply(conversationId, { kind: "discard", clientMessageId });
    },
  });
}

/** What a step of the reducer means to the other parts, and then to the application. */
function afterStep(
  { account, emitter, outbox, receipts, sync }: Engine,
  settings: Settings,
  conversation: ConversationState,
  effects: readonly ConversationEffect[],
  before: ConversationState | undefined,
): void {
  const { conversationId } = conversation;
  const live = effects.some((effect) => effect.kind === "change" && effect.live);
  if (live && conversation.pos !== before?.pos) sync.noteMoved(conversationId);
  for (const effect of effects) {
    if (effect.kind === "change" && effect.frame.type === "message.new")
      outbox.onMessage(effect.frame.payload, account.me());
  }
  if (conversation.unreadEstimated && before?.unreadEstimated !== true) sync.recount();
  const arrived = settings.acknowledgeDelivery === false ? 0 : arrivedUpTo(conversation, effects, account.me());
  if (arrived > 0) receipts.mark("delivered", conversationId, arrived);
  for (const effect of effects) emitEffect(emitter, conversation, effect);
}
