import { App, us_socket_local_port, type WebSocket } from "uWebSockets.js";

/** A connection; the token that it came with is the conversation that it is in. */
export type Member = WebSocket<{ readonly conversationId: string }>;
/** Of the frame that a client sends, what a relay needs. */
export type Sent = { readonly clientMessageId: string; readonly content: unknown; readonly conversationId: string };
export type OnSend = (sender: Member, others: readonly Member[], sent: Sent, raw: ArrayBuffer) => void;

/**
 * What both relays have in common, as little as a chat can do with: each text frame is parsed once, and its conversation
 * has members. Prints `{"event":"listening","url":…}` and ends on SIGTERM.
 */
export const serveRooms = (onSend: OnSend): void => {
  const rooms = new Map<string, readonly Member[]>();
  const membersOf = (id: string): readonly Member[] => rooms.get(id) ?? [];

  const app = App().ws<{ readonly conversationId: string }>("/*", {
    maxPayloadLength: 64 * 1024,
    idleTimeout: 0,
    upgrade: (response, request, context) => {
      const conversationId = request.getHeader("authorization").replace(/^Bearer /, "");
      const header = (name: string): string => request.getHeader(`sec-websocket-${name}`);
      response.upgrade({ conversationId }, header("key"), header("protocol"), header("extensions"), context);
    },
    open: (member) => {
      const { conversationId } = member.getUserData();
      rooms.set(conversationId, [...membersOf(conversationId), member]);
      member.send('{"type":"connected"}');
    },
    close: (member) => {
      const { conversationId } = member.getUserData();
      rooms.set(
        conversationId,
        membersOf(conversationId).filter((other) => other !== member),
      );
    },
    message: (sender, raw) => {
      const { type, payload } = JSON.parse(Buffer.from(raw).toString("utf8")) as { type: string; payload: Sent };
      if (type !== "message.send") return;
      const others = membersOf(payload.conversationId).filter((other) => other !== sender);
      onSend(sender, others, payload, raw);
    },
  });

  app.listen("127.0.0.1", 0, (listening) => {
    if (listening === false) throw new Error("the relay cannot listen");
    const url = `http://127.0.0.1:${us_socket_local_port(listening)}`;
    process.stdout.write(`${JSON.stringify({ event: "listening", url })}\n`);
  });
  process.on("SIGTERM", () => process.exit(0));
};

export const ackOf = ({ conversationId, clientMessageId }: Sent): string =>
  JSON.stringify({ type: "message.ack", payload: { conversationId, clientMessageId } });

export const newOf = ({ conversationId, content }: Sent): string =>
  JSON.stringify({ type: "message.new", payload: { conversationId, content } });
