import { serverFrames, type ServerFrameType } from "../../client/contract/frames.js";
import type { Platform, SocketHandlers } from "../../client/platform.js";

type Payload = Readonly<Record<string, unknown>>;

/** What of a frame the protocol does not have, or has and is missing; its changes, too, where it is a sync's answer. */
const problemsOf = (frame: { readonly type: string; readonly payload: object }): readonly string[] => {
  if (!Object.hasOwn(serverFrames, frame.type)) return [`there is no frame ${frame.type}`];
  const fields: Readonly<Record<string, string>> = serverFrames[frame.type as ServerFrameType].payload;
  const payload = frame.payload as Payload;
  const unknown = Object.keys(payload).filter((field) => fields[field] === undefined);
  const missing = Object.keys(fields).filter((field) => fields[field] === "always" && payload[field] === undefined);
  return [
    ...unknown.map((field) => `${frame.type} has no field ${field}`),
    ...missing.map((field) => `${frame.type} lacks ${field}`),
    ...(frame.type === "sync.result" ? changesIn(payload).flatMap(problemsOf) : []),
  ];
};

const changesIn = ({ conversations }: Payload): readonly { readonly type: string; readonly payload: object }[] =>
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
