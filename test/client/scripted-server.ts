import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer, type WebSocket } from "ws";
import type { ChangeFrame, InboxState, SyncRequest, SyncResult } from "../../client/protocol.js";

/**
 * A server of one account that speaks docs/PROTOCOL.md and fails on demand: frames vanish, come twice or late, acks are
 * lost, sockets are cut, upgrades refused. Its log is the truth that clients are compared with.
 */
export type ScriptedServer = {
  readonly url: string;
  readonly log: Map<string, ChangeFrame[]>;
  readonly faults: {
    /** What happens to the answer of a `message.send` that has been accepted. */
    ack: () => "sent" | "lost" | "cut";
    /** Refuses a `message.send` with this code before anything is accepted. */
    refuse: () => { code: string; retryAfter?: number } | undefined;
    /** Copies of a live frame that are sent; 0 loses it. */
    copies: () => number;
    /** HTTP status of upgrades, when they are refused; the body of `GET /me` too. */
    upgradeStatus: number | undefined;
    /** What `GET /me` says besides when upgrades are refused. */
    refusal: object;
    syncError: string | undefined;
    heartbeatAnswered: boolean;
  };
  readonly received: { type: string; payload: Record<string, unknown> }[];
  readonly upgrades: { token: string; at: number }[];
  epoch: string;
  /** Named in every answer to a sync. */
  erased: readonly string[] | undefined;
  heartbeatIntervalMs: number;
  syncLimit: number;
  readonly start: (conversationId: string) => void;
  readonly say: (conversationId: string, senderId: string, text: string) => ChangeFrame;
  readonly append: (conversationId: string, frame: ChangeFrame) => void;
  /** Sends a frame to every connection. */
  readonly push: (frame: object) => void;
  readonly closeAll: (code: number) => void;
  readonly cutAll: () => void;
  readonly stop: () => Promise<void>;
};

type Cursor = { readonly conversationId: string; readonly upToSequence: number };

const settings = {
  onlyAdminsCanPost: false,
  onlyAdminsCanEdit: false,
  allowMemberInvites: true,
  historyVisibility: "since_join",
};
export const me = { userId: "alice", deviceId: "phone" };

export const created = (conversationId: string, pos: number, lastSequence = 0): ChangeFrame => ({
  type: "conversation.created",
  payload: {
    conversation: {
      conversationId,
      type: "group",
      name: "g",
      settings,
      createdBy: "bob",
      createdAt: 1,
      memberCount: 2,
      myRole: "member",
      lastSequence,
      pos,
    },
    pos,
    by: "bob",
    timestamp: pos,
  },
});

export const inboxState = (changes: readonly ChangeFrame[], readUpTo = 0): InboxState => {
  const news = changes.filter((change) => change.type === "message.new");
  const last = news.at(-1)?.payload;
  const gone = new Set(
    changes.flatMap(({ type, payload }) =>
      type === "message.updated" && payload.deletedAt !== undefined ? [payload.sequence] : [],
    ),
  );
  return {
    readUpTo,
    unread: news.filter(
      ({ payload: { senderId, sequence } }) => senderId !== me.userId && sequence > readUpTo && !gone.has(sequence),
    ).length,
    pinned: null,
    archived: false,
    mutedUntil: null,
    deliveredToAll: 0,
    readByAll: 0,
    lastMessage:
      last === undefined
        ? null
        : {
            sequence: last.sequence,
            messageId: last.messageId,
            senderId: last.senderId,
            type: "text",
            preview: last.content?.type === "text" ? last.content.text : "",
            timestamp: last.timestamp,
          },
  };
};

export async function startScriptedServer(): Promise<ScriptedServer> {
  const log = new Map<string, ChangeFrame[]>();
  const readUpTo = new Map<string, number>();
  const acks = new Map<string, { body: Record<string, unknown>; content: string }>();
  const http = createServer();
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "parley.v1" });
  const live = new Set<WebSocket>();
  const head = (conversationId: string): number => log.get(conversationId)?.at(-1)?.payload.pos ?? -1;
  const sequenceOf = (conversationId: string): number =>
    log.get(conversationId)?.filter(({ type }) => type === "message.new").length ?? 0;

  const push = (frame: object): void => {
    for (const socket of live) socket.send(JSON.stringify(frame));
  };
  const append = (conversationId: string, frame: ChangeFrame): void => {
    log.get(conversationId)?.push(frame);
    for (let copy = server.faults.copies(); copy > 0; copy -= 1) push(frame);
  };
  const say = (conversationId: string, senderId: string, text: string, more: object = {}): ChangeFrame => {
    const sequence = sequenceOf(conversationId) + 1;
    const pos = head(conversationId) + 1;
    const frame: ChangeFrame = {
      type: "message.new",
      payload: {
        messageId: `${conversationId}-${sequence}`,
        conversationId,
        sequence,
        pos,
        senderId,
        senderDeviceId: "phone",
        content: { type: "text", text },
        timestamp: pos,
        ...more,
      },
    };
    append(conversationId, frame);
    return frame;
  };

  const sync = (request: SyncRequest): SyncResult => {
    const reset = request.epoch !== undefined && request.epoch !== server.epoch;
    const tokenAt: Record<string, number> =
      request.token === undefined || reset ? {} : (JSON.parse(request.token) as Record<string, number>);
    const cursors = reset ? {} : (request.cursors ?? {});
    const named = Object.keys(cursors).filter((id) => log.has(id));
    const touched = Object.keys(tokenAt).filter((id) => !named.includes(id) && head(id) > (tokenAt[id] ?? -1));
    const entries = [...named, ...(request.only === true ? [] : touched)].map((conversationId) => {
      const changes = log.get(conversationId) ?? [];
      const after = cursors[conversationId] ?? tokenAt[conversationId] ?? -1;
      const missed = changes.filter(({ payload }) => payload.pos > after);
      const page = missed.slice(0, server.syncLimit);
      const hasMore = page.length < missed.length;
      const pos = hasMore ? (page.at(-1)?.payload.pos ?? after) : head(conversationId);
      return {
        conversationId,
        changes: page,
        pos,
        hasMore,
        reset: false,
        state: inboxState(changes, readUpTo.get(conversationId)),
      };
    });
    const isNew = (id: string): boolean => (request.only !== true || reset) && !(id in cursors) && !(id in tokenAt);
    const fresh = [...log.keys()].filter(isNew);
    return {
      epoch: server.epoch,
      reset,
      conversations: entries,
      newConversations: fresh.map((id) => {
        const first = created(id, head(id), sequenceOf(id));
        if (first.type !== "conversation.created") throw new Error("unreachable");
        return { conversation: first.payload.conversation, state: inboxState(log.get(id) ?? [], readUpTo.get(id)) };
      }),
      left: [],
      ...(server.erased === undefined ? {} : { erased: server.erased }),
      ...(request.only === true && !reset
        ? {}
        : { token: JSON.stringify(Object.fromEntries([...log.keys()].map((id) => [id, head(id)]))) }),
      serverTime: 0,
    };
  };

  const accept = (socket: WebSocket, id: string | undefined, payload: Record<string, unknown>): void => {
    const refusal = server.faults.refuse();
    if (refusal !== undefined) {
      socket.send(JSON.stringify({ type: "error", id, payload: { message: "scripted", ...refusal } }));
      return;
    }
    const { conversationId, clientMessageId, content } = payload as Record<string, string>;
    const key = `${String(conversationId)} ${String(clientMessageId)}`;
    const known = acks.get(key);
    const duplicate = known !== undefined;
    if (known !== undefined && known.content !== JSON.stringify(content))
      throw new Error(`${key} has other content now`);
    if (known === undefined) {
      const text = (content as unknown as { text: string }).text;
      const { payload: message } = say(String(conversationId), me.userId, text, {
        clientMessageId,
        senderDeviceId: me.deviceId,
        ...(payload.mentions === undefined ? {} : { mentions: payload.mentions as string[] }),
        ...(payload.forwarded === true ? { forwarded: true } : {}),
      });
      acks.set(key, { body: { ...message, clientMessageId }, content: JSON.stringify(content) });
    }
    const fate = server.faults.ack();
    if (fate === "cut") socket.terminate();
    else if (fate === "sent") {
      const { messageId, sequence, pos, timestamp } = acks.get(key)?.body ?? {};
      const ack = { clientMessageId, messageId, conversationId, sequence, pos, timestamp, duplicate };
      socket.send(JSON.stringify({ type: "message.ack", id, payload: ack }));
    }
  };

  const onFrame = (socket: WebSocket, text: string): void => {
    const { type, id, payload } = JSON.parse(text) as { type: string; id?: string; payload: Record<string, unknown> };
    server.received.push({ type, payload });
    const answer = (answerType: string, body: object): void => {
      socket.send(JSON.stringify({ type: answerType, id, payload: body }));
    };
    if (type === "message.send") accept(socket, id, payload);
    else if (type === "sync" && server.faults.syncError !== undefined) {
      answer("error", { code: server.faults.syncError, message: "scripted" });
    } else if (type === "sync") answer("sync.result", sync(payload));
    else if (type === "heartbeat") {
      if (server.faults.heartbeatAnswered) answer("heartbeat.ack", { serverTime: 0 });
    } else {
      if (type === "message.read")
        for (const { conversationId, upToSequence } of payload.cursors as Cursor[])
          readUpTo.set(conversationId, Math.max(upToSequence, readUpTo.get(conversationId) ?? 0));
      answer("ack", {});
    }
  };

  http.on("upgrade", (request: IncomingMessage, stream, first) => {
    const protocols = String(request.headers["sec-websocket-protocol"]).split(/, */);
    const token = protocols.find((protocol) => protocol.startsWith("bearer."))?.slice("bearer.".length) ?? "";
    server.upgrades.push({ token, at: performance.now() });
    if (server.faults.upgradeStatus !== undefined) {
      stream.end(`HTTP/1.1 ${server.faults.upgradeStatus} Refused\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, stream, first, (socket) => {
      live.add(socket);
      socket.on("close", () => live.delete(socket));
      socket.on("message", (data) => {
        onFrame(socket, (data as Buffer).toString());
      });
      const limits = { maxMessageBytes: 16384, maxFrameBytes: 65536, messagesPerMinute: 0 };
      const { epoch, heartbeatIntervalMs: heartbeatInterval } = server;
      const connected = { connectionId: "c", ...me, epoch, serverTime: 0, heartbeatInterval, limits };
      socket.send(JSON.stringify({ type: "connected", payload: connected }));
    });
  });
  http.on("request", (_request, response: ServerResponse) => {
    const status = server.faults.upgradeStatus ?? 200;
    const body =
      status === 401
        ? { error: "UNAUTHORIZED", message: "bad token", ...server.faults.refusal }
        : { userId: me.userId };
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));

  const server: ScriptedServer = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    log,
    faults: {
      ack: () => "sent",
      refuse: () => undefined,
      copies: () => 1,
      upgradeStatus: undefined,
      refusal: {},
      syncError: undefined,
      heartbeatAnswered: true,
    },
    received: [],
    upgrades: [],
    epoch: "e1",
    erased: undefined,
    heartbeatIntervalMs: 30_000,
    syncLimit: 1000,
    start: (conversationId) => {
      log.set(conversationId, []);
      append(conversationId, created(conversationId, 1));
    },
    say,
    append,
    push,
    closeAll: (code) => {
      for (const socket of live) socket.close(code);
    },
    cutAll: () => {
      for (const socket of live) socket.terminate();
    },
    stop: async () => {
      for (const socket of live) socket.terminate();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
  return server;
}
