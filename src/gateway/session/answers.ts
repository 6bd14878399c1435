import { E } from "../../domain/kernel/fp.js";
import { withRetryAfter, type Failure } from "../protocol/codes.js";
import type { Address } from "../protocol/frames.js";
import type { ServerFrame } from "../protocol/server-frames.js";

/** None for an `ack` that the client did not ask for. */
export const answerFrame = (answer: E.Either<Failure, ServerFrame>, address: Address): ServerFrame | undefined => {
  if (E.isLeft(answer)) return errorFrame(answer.left, address);
  return answer.right.type === "ack" && address.id === undefined ? undefined : addressed(answer.right, address.id);
};

export const errorFrame = (failure: Failure, { id, ...ids }: Address): ServerFrame =>
  addressed({ type: "error", payload: { ...withRetryAfter(failure), ...ids } }, id);

/** The types have no word for the same frame with an id. */
const addressed = ({ type, payload }: ServerFrame, id: string | undefined): ServerFrame =>
  (id === undefined ? { type, payload } : { type, id, payload }) as ServerFrame;

export const emptyAck: ServerFrame = { type: "ack", payload: {} };
