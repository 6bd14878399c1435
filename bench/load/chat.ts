import type { ParleyServer } from "../server/parley.js";
import { deviceId } from "../server/parley.js";
import { classify, createNumberFinder } from "./classify.js";
import { numberSlot } from "./frames.js";
import type { Loop } from "./loop.js";
import { openAll, type SocketGroup } from "./open-all.js";

/** UTF-8 bytes of every message's text. */
const textBytes = 200;

/**
 * The `message.send` that the scenarios send. The number leads the key, for the answer, and the text, for the receivers:
 * these do not see the key. `suffix` tells the keys of one measurement from those of another in the same conversation,
 * which would be repeats of its messages otherwise.
 */
export const messageFrame = (conversationId: string, suffix = ""): string =>
  JSON.stringify({
    type: "message.send",
    payload: {
      conversationId,
      clientMessageId: `${numberSlot}${suffix}`,
      content: { type: "text", text: numberSlot.padEnd(textBytes, " the quick brown fox jumps over the lazy dog") },
    },
  });

/** What one device does with the frames that reach it. */
export type Role = {
  readonly userId: string;
  /** The gateway that it connects to, where there are several; the server's address otherwise. */
  readonly url?: URL;
  /** The sender whose answers come here; undefined for a device that only receives. */
  readonly answersOf: number | undefined;
  /** Which sender's messages come here, and as which of its receivers. */
  readonly deliveriesOf: { readonly sender: number; readonly receiver: number } | undefined;
};

export type Chat = {
  readonly group: SocketGroup;
  /**
   * Devices told to sync because a frame may have gone past them. What really did is missing at the end, and fails the
   * run: the load generator does not sync.
   */
  readonly syncsRequired: () => number;
  /** Copies of own messages that came back to their senders: PROTOCOL §1 owes the acting device one of each. */
  readonly ownCopies: () => number;
};

/**
 * Connects one device per role and feeds the loop. A frame that is an `error`, or a message that cannot be told, fails
 * the connection and with it the run.
 */
export const openChat = async (
  server: Pick<ParleyServer, "url" | "token">,
  roles: readonly Role[],
  loop: () => Loop,
): Promise<Chat> => {
  let ownCopies = 0;
  let connected = 0;
  let syncsRequired = 0;
  const numberOfAnswer = createNumberFinder('"clientMessageId":"');
  const numberOfText = createNumberFinder('"text":"');

  const onText = (role: Role) => (buffer: Buffer, start: number, end: number) => {
    const kind = classify(buffer, start, end);
    if (kind === "message.ack" && role.answersOf !== undefined) {
      loop().answered(role.answersOf, numberOfAnswer(buffer, start, end), performance.now());
    } else if (kind === "message.new" && role.deliveriesOf !== undefined) {
      const { sender, receiver } = role.deliveriesOf;
      loop().delivered(sender, receiver, numberOfText(buffer, start, end), performance.now());
    } else if (kind === "message.new") {
      ownCopies++;
    } else {
      const type = expectHarmless(buffer.toString("utf8", start, end));
      if (type === "connected") connected += 1;
      if (type === "sync.required") syncsRequired += 1;
    }
  };

  const group = await openAll(
    roles.length,
    (index) => {
      const role = roles[index];
      if (role === undefined) throw new RangeError(`no role ${index}`);
      return {
        url: new URL("/ws", role.url ?? server.url),
        headers: { authorization: `Bearer ${server.token(role.userId)}` },
        onText: onText(role),
      };
    },
    { heartbeat: true },
  );
  // Only what is accepted after `connected` arrives live.
  await until(() => connected >= roles.length, "every device was told that it is connected");
  return { group, ownCopies: () => ownCopies, syncsRequired: () => syncsRequired };
};

/** Frames that may come between the messages and mean nothing here. Anything else is a defect or a limit that was hit. */
const harmless = new Set([
  "connected",
  "heartbeat.ack",
  "conversation.created",
  "receipt.update",
  "receipt.rollup",
  "device.updated",
  "sync.required",
]);

const expectHarmless = (text: string): string => {
  const { type } = JSON.parse(text) as { type?: unknown };
  if (typeof type !== "string" || !harmless.has(type))
    throw new Error(`unexpected frame on ${deviceId}: ${text.slice(0, 400)}`);
  return type;
};

const until = async (condition: () => boolean, what: string, patienceMs = 15_000): Promise<void> => {
  const deadline = performance.now() + patienceMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${patienceMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

/** Waits until every sender has got back all its own messages; the loop itself waits only for the others. */
export const awaitOwnCopies = async (chat: Chat, expected: () => number, patienceMs = 5_000): Promise<void> => {
  const deadline = performance.now() + patienceMs;
  while (chat.ownCopies() < expected()) {
    if (performance.now() > deadline) {
      throw new Error(`${expected() - chat.ownCopies()} messages never came back to their senders' own devices`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

/** The id of the conversation that a POST answered with. */
export const conversationIdOf = (answer: unknown): string => {
  const { conversationId } = answer as { conversationId?: unknown };
  if (typeof conversationId !== "string") throw new Error(`no conversation in ${JSON.stringify(answer)}`);
  return conversationId;
};
