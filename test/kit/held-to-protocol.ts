import { serverFrames, type ServerFrameType } from "../../client/contract/frames.js";
import type { Platform, SocketHandlers } from "../../client/platform.js";

type Payload = Readonly<Record<string, unknown>>;

type Frame = { readonly type: string; readonly payload: object };

/** What of a frame the protocol does not have, or has and is missing; its changes, too, where it is a sync's answer. */
export const problemsOf = (frame: Frame): readonly string[] => {
  const { type } = frame;
  const { content, deletedAt } = frame.payload as Payload;
  const isBare = type === "message.new" && content === undefined && deletedAt === undefined;
  return [...problemsOfChange(frame), ...(isBare ? [`${type} has neither content nor deletedAt`] : [])];
};

/** A change in a sync may be of a message that the reader may not see. */
const problemsOfChange = (frame: Frame): readonly string[] => {
  if (!Object.hasOwn(serverFrames, frame.type)) return [`there is no frame ${frame.type}`];
  const fields: Readonly<Record<string, string>> = serverFrames[frame.type as ServerFrameType].payload;
  const payload = frame.payload as Payload;
  const unknown = Object.keys(payload).filter((field) => fields[field] === undefined);
  const missing = Object.keys(fields).filter((field) => fields[field] === "always" && payload[field] === undefined);
  return [
    ...unknown.map((field) => `${frame.type} has no field ${field}`),
    ...missing.map((field) => `${frame.type} lacks ${field}`),
    ...goneProblems(frame.type, payload),
    ...(frame.type === "sync.result" ? changesIn(payload).flatMap(problemsOfChange) : []),
  ];
};

/** Of a message that is gone nothing is said that tells of its content (§1). */
const goneProblems = (type: string, payload: Payload): readonly string[] => {
  const has = (field: string): boolean => payload[field] !== undefined;
  return [
    ...(has("content") && has("deletedAt") ? [`${type} has content and deletedAt`] : []),
    ...["mentions", "forwarded"]
      .filter((field) => has(field) && !has("content"))
      .map((field) => `${type} has ${field} without content`),
  ];
};

const changesIn = ({ conversations }: Payload): readonly Frame[] =>
  (conversations as readonly { readonly changes: [] }[]).flatMap(({ changes }) => changes);

/**
 * Ends the test run with an exception that nobody catches when the server says what the protocol does not have: clients
 * pass over such fields in silence.
 */
export const holdToProtocol = (text: unknown): void => {
  const problems = new Set(problemsOf(JSON.parse(String(text)) as Parameters<typeof problemsOf>[0]));
  if (problems.size === 0) return;
  queueMicrotask(() => {
    throw new Error(`not PROTOCOL.md's: ${Array.from(problems).join(", ")}`);
  });
};

/** The platform, whose server is held to the protocol. */
export const heldToProtocol = (platform: Platform): Platform => ({
  ...platform,
  openSocket: (url, protocols, handlers) => platform.openSocket(url, protocols, held(handlers)),
});

const held = (handlers: SocketHandlers): SocketHandlers => ({
  ...handlers,
  onMessage: (data) => {
    handlers.onMessage(data);
    holdToProtocol(data);
  },
});
