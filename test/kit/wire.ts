import { once } from "node:events";
import { WebSocket } from "ws";
import { eventually } from "./device.js";
import { holdToProtocol } from "./held-to-protocol.js";
import { isDistributed } from "./place.js";
import type { Door } from "./server.js";
import { settled } from "./turns.js";

/** The protocol as bytes: no client library, no reducer, nothing that mends. What it receives can be looked at whole. */
export type Payload = Readonly<Record<string, unknown>>;
export type Frame = { readonly type: string; readonly id?: string; readonly payload: Payload };
export type RestAnswer = { readonly status: number; readonly body: Payload; readonly text: string };

/** A user with a token, without a socket. */
export type Caller = {
  readonly userId: string;
  readonly deviceId: string;
  readonly token: string;
  /** `"POST /groups"`, below `/api/v1`. */
  readonly rest: (target: string, body?: object) => Promise<RestAnswer>;
};

export type WireDevice = Caller & {
  /** Everything received, in order: `connected`, changes, answers. */
  readonly frames: readonly Frame[];
  /** Sends a frame with an id of its own; its answer, `error` included. */
  readonly ask: (type: string, payload: object) => Promise<Frame>;
  /** The first frame, received or still to come, that fits. */
  readonly frame: (type: string, matching?: Payload) => Promise<Frame>;
  /** Frames of the conversation that have a `pos`, as they came. Acks have ids and are none of them. */
  readonly changes: (conversationId: string) => readonly Frame[];
  /** All that came through this socket and by this device's REST calls. */
  readonly bytes: () => string;
  readonly closed: Promise<{ readonly code: number }>;
  readonly close: () => Promise<void>;
};

export const caller = async (server: Door, userId: string, deviceId = "phone"): Promise<Caller> =>
  callerWith(server, { userId, deviceId, token: await server.token(userId, deviceId) });

const callerWith = (
  server: Door,
  { userId, deviceId, token }: { userId: string; deviceId: string; token: string },
  heard: (text: string) => void = () => undefined,
): Caller => ({
  userId,
  deviceId,
  token,
  rest: again(async (target, body) => {
    const [method = "", path = ""] = target.split(" ");
    const response = await fetch(`${server.url(`${userId}/${deviceId}`)}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    heard(text);
    return { status: response.status, text, body: (text === "" ? {} : JSON.parse(text)) as Payload };
  }),
});

/**
 * Where several processes and engines serve, a busy machine may keep one of them from answering in time: as the protocol has
 * it, a client that is told so asks again. One process alone is asked once.
 */
const again = <Args extends readonly unknown[], A extends Frame | RestAnswer>(ask: (...args: Args) => Promise<A>) =>
  isDistributed
    ? async (...args: Args): Promise<A> => {
        for (;;) {
          const answer = await ask(...args);
          if (!outcomeOf(answer).endsWith("UNAVAILABLE")) return answer;
          await settled();
        }
      }
    : ask;

/** Of three intervals without a frame a socket is closed. */
const heartbeatMs = 30_000;

/** @param query what stands behind `/ws`, as `?sync=…` */
export const wireDevice = async (
  server: Door,
  userId: string,
  deviceId = "phone",
  { token, query = "" }: { readonly token?: string; readonly query?: string } = {},
): Promise<WireDevice> => {
  const bearer = token ?? (await server.token(userId, deviceId));
  const chunks: string[] = [];
  const frames: Frame[] = [];
  const waiting = new Map<string, (answer: Frame) => void>();
  const socket = new WebSocket(`${server.url(`${userId}/${deviceId}`).replace("http", "ws")}/ws${query}`, {
    headers: { authorization: `Bearer ${bearer}` },
    perMessageDeflate: false,
  });
  // Latin-1 keeps every byte, so ASCII texts are found in it whatever stands around them. Not before `open`: a
  // listener before ws's would take what came with the upgrade's answer away from it.
  socket.once("upgrade", ({ socket: raw }) => {
    socket.once("open", () => raw.on("data", (data: Buffer) => chunks.push(data.toString("latin1"))));
  });
  socket.on("message", (data: Buffer) => {
    holdToProtocol(data);
    const frame = JSON.parse(data.toString()) as Frame;
    frames.push(frame);
    if (frame.id !== undefined) waiting.get(frame.id)?.(frame);
  });
  const closed = new Promise<{ code: number }>((resolve) => {
    socket.once("close", (code) => {
      resolve({ code });
    });
  });
  await once(socket, "open");
  const frame = async (type: string, matching: Payload = {}): Promise<Frame> => {
    const found = () => frames.find((each) => each.type === type && fits(each.payload, matching));
    await eventually(() => found() !== undefined, `${userId}/${deviceId}: ${type} ${JSON.stringify(matching)}`);
    return found() ?? nothing();
  };
  await frame("connected");
  // As a client does it: a suite may take longer than three intervals. The answers are of no interest, and without an id.
  const beating = setInterval(() => {
    socket.send(JSON.stringify({ type: "heartbeat" }));
  }, heartbeatMs);
  void closed.then(() => {
    clearInterval(beating);
  });
  let asked = 0;
  return {
    ...callerWith(server, { userId, deviceId, token: bearer }, (text) => chunks.push(text)),
    frames,
    frame,
    ask: again((type: string, payload: object): Promise<Frame> => {
      const id = `ask-${++asked}`;
      return new Promise((resolve, reject) => {
        waiting.set(id, resolve);
        void closed.then(({ code }) => {
          reject(new Error(`${userId}/${deviceId} was closed with ${code} before ${type} was answered`));
        });
        socket.send(JSON.stringify({ type, id, payload }));
      });
    }),
    changes: (conversationId) =>
      onceEach(
        frames.filter(
          ({ id, payload }) =>
            id === undefined && payload.pos !== undefined && conversationIdOf(payload) === conversationId,
        ),
      ),
    bytes: () => chunks.join("\n"),
    closed,
    close: async () => {
      socket.close();
      await closed;
    },
  };
};

/**
 * What comes of connecting with this token: the HTTP status when the upgrade is refused, the close code when the socket
 * is closed before `connected`, 101 when the device is in.
 */
export const connecting = async (server: Door, token: string): Promise<number> => {
  const socket = new WebSocket(`${server.url().replace("http", "ws")}/ws`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return new Promise((resolve, reject) => {
    socket.on("message", (data: Buffer) => {
      const { type } = JSON.parse(data.toString()) as Frame;
      if (type === "error") return;
      // Anything else than an error is what only a client that was let in may read.
      resolve(101);
      socket.close();
    });
    socket.once("close", resolve);
    socket.once("unexpected-response", (request, response) => {
      resolve(response.statusCode ?? 0);
      request.destroy();
    });
    socket.once("error", reject);
  });
};

/**
 * Delivery is at least once: where a projector's share changes hands, its frames may come again, byte for byte. One process
 * alone sends none twice.
 */
export const onceEach = (frames: readonly Frame[]): readonly Frame[] => {
  if (!isDistributed) return frames;
  return [...new Map(frames.map((frame) => [JSON.stringify(frame), frame])).values()];
};

/** Of a `conversation.created` frame too, where it stands one level lower. */
const conversationIdOf = ({ conversationId, conversation }: Payload): unknown =>
  conversationId ?? (conversation as Payload | undefined)?.conversationId;

const fits = (payload: Payload, matching: Payload): boolean =>
  Object.entries(matching).every(
    ([key, value]) =>
      JSON.stringify(key === "conversationId" ? conversationIdOf(payload) : payload[key]) === JSON.stringify(value),
  );

const nothing = (): never => {
  throw new Error("a frame that was found is gone");
};

export const text = (value: string) => ({ type: "text", text: value }) as const;

/** What a refusal says, by socket or REST; "ok" for every other answer. */
export const outcomeOf = (answer: Frame | RestAnswer): string => {
  if ("status" in answer) return answer.status < 400 ? "ok" : `${answer.status} ${String(answer.body.error)}`;
  return answer.type === "error" ? String(answer.payload.code) : "ok";
};
