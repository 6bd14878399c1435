import type { HttpAnswer, HttpRequest, Platform } from "../../client/index.js";
import { settled } from "../kit/turns.js";
import { me } from "./scripted-server.js";

/** A socket of which the test is the other end. */
export type FakeSocket = {
  readonly url: string;
  readonly protocols: readonly string[];
  /** Frames of the client, oldest first. */
  readonly sent: { readonly type: string; readonly id: string; readonly payload: Record<string, unknown> }[];
  readonly closed: () => boolean;
  readonly say: (frame: object | string) => void;
  readonly drop: (code: number) => void;
};

/** A platform without a network and without time: sockets answer as the test says, and timers fire when it elapses. */
export type FakePlatform = Platform & {
  readonly sockets: FakeSocket[];
  readonly timers: ReadonlySet<{ readonly at: number; readonly fire: () => void }>;
  /** Fires what is due within so many milliseconds, in its order, and lets everything settle in between. */
  readonly elapse: (ms: number) => Promise<void>;
};

export const connected = {
  type: "connected",
  payload: {
    connectionId: "c",
    ...me,
    epoch: "e1",
    serverTime: 0,
    heartbeatInterval: 30_000,
    limits: { maxMessageBytes: 16384, maxFrameBytes: 65536, messagesPerMinute: 0 },
  },
};
export const emptySync = { epoch: "e1", reset: false, conversations: [], newConversations: [], left: [], token: "t" };

export function fakePlatform(
  fetch: (url: string, request: HttpRequest) => Promise<HttpAnswer> = () => Promise.reject(new Error("no network")),
): FakePlatform {
  const sockets: FakeSocket[] = [];
  const timers = new Set<{ readonly at: number; readonly fire: () => void }>();
  let now = 0;
  let made = 0;
  return {
    sockets,
    timers,
    fetch,
    openSocket: (url, protocols, { onMessage, onClose }) => {
      const sent: FakeSocket["sent"] = [];
      let closed = false;
      const drop = (code: number): void => {
        if (!closed) onClose(code, "");
        closed = true;
      };
      sockets.push({
        url,
        protocols,
        sent,
        closed: () => closed,
        say: (frame) => {
          onMessage(typeof frame === "string" ? frame : JSON.stringify(frame));
        },
        drop,
      });
      return {
        send: (text) => sent.push(JSON.parse(text) as FakeSocket["sent"][number]),
        close: () => {
          drop(1005);
        },
      };
    },
    startTimer: (fire, delayMs) => {
      // As setTimeout does it.
      const timer = { at: now + (delayMs >= 1 && delayMs < 2 ** 31 ? delayMs : 1), fire };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    // The longest delays: what is asserted about them holds for all.
    random: () => 0.999_999,
    uuid: () => `u${(made += 1)}`,
    elapse: async (ms) => {
      const until = now + ms;
      await settled();
      for (;;) {
        const [next] = [...timers].filter(({ at }) => at <= until).sort((one, other) => one.at - other.at);
        if (next === undefined) break;
        timers.delete(next);
        now = next.at;
        next.fire();
        await settled();
      }
      now = until;
    },
  };
}
