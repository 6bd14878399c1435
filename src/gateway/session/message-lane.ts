import type { MessageAccepted, SendMessage } from "../../commands/commands.js";
import { E, type Either } from "../../domain/kernel/fp.js";
import type { TaskRunner } from "../access/task-runner.js";
import { encodeAcknowledgement } from "../protocol/acknowledgement.js";
import type { Failure } from "../protocol/codes.js";
import { contextOf, labels, writing } from "./asking.js";
import type { DispatcherDeps, Feed, Live } from "./dispatch-types.js";
import { endOfPlain, entryOfPlain } from "./session.js";
import type { Request } from "./session-types.js";

/** A message's way into the log, by calling back. */
export type Send = (
  live: Live,
  message: SendMessage,
  now: number,
  done: (outcome: Either<Failure, MessageAccepted>) => void,
) => void;

export const createSend =
  (deps: DispatcherDeps, work: TaskRunner): Send =>
  (live, message, now, done) => {
    work.runThen<MessageAccepted>(
      (settled, failed) => {
        deps.app.commands.sendMessageThen(message, contextOf(deps, live, now), settled, failed);
      },
      writing(deps, live, done),
      labels(live, "message.send"),
    );
  };

/**
 * What a client says all day is a message, on an open connection with room and without receipts that have to go first: that
 * goes straight to `send` and from its outcome to the socket. All else is the machine's, as it is where a limit
 * makes messages wait for their turn: the lane does what the machine would (`entryOfPlain`, `endOfPlain`), without
 * its inputs and effects, which cost as much as deciding the message.
 */
export const createMessageLane = (
  { clock, monotonic, messageRate, metrics }: DispatcherDeps,
  send: Send,
  feed: Feed,
): ((live: Live, text: string) => void) => {
  const answer = (live: Live, { type, address, chars, receivedAt }: Request, accepted: MessageAccepted): void => {
    live.state = endOfPlain(live.state, chars);
    if (live.state.phase !== "closed") live.connection.send(encodeAcknowledgement(address.id, accepted));
    metrics.request(type, "ok");
    metrics.sendLatency((monotonic() - receivedAt) / 1000);
  };
  return (live, text) => {
    const now = clock();
    const receivedAt = monotonic();
    const chars = text.length;
    const entered = messageRate === undefined ? entryOfPlain(live.state, chars, now, receivedAt) : undefined;
    const frame = entered && live.config.decode(text);
    if (entered === undefined || frame?.kind !== "request" || frame.request.type !== "message.send") {
      feed(live, { kind: "text", text, now, receivedAt, frame });
      return;
    }
    live.state = entered;
    const { address, request: asked } = frame;
    send(live, asked.message, now, (outcome) => {
      const request: Request = { type: asked.type, address, weight: 1, chars, receivedAt };
      if (E.isLeft(outcome)) feed(live, { kind: "answered", request, answer: outcome });
      else answer(live, request, outcome.right);
    });
  };
};
