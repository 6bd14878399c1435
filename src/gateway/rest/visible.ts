import type { Conversation } from "../../domain/conversation/conversation.js";
import { E, type Either } from "../../domain/kernel/fp.js";
import { viewOfState } from "../../projections/queries/conversation-view.js";
import type { ConversationView } from "../../projections/queries/queries.js";
import type { Failure } from "../protocol/codes.js";
import type { Caller } from "./call.js";

/** Reads when the views hold what the caller's answered requests have written; a 503 where they take too long. */
export const ownWritesVisible = async <A>(
  { catchUp, actor }: Caller,
  read: () => Promise<Either<Failure, A>>,
): Promise<Either<Failure, A>> => {
  const caughtUp = await catchUp.ownWritesVisible(actor);
  return E.isLeft(caughtUp) ? caughtUp : read();
};

/**
 * A conversation that the caller has just changed, once the views have it where they do not take long: others who are
 * told of it find it there. Views that are away change nothing about the answer.
 */
export const asItWasLeft = async (
  state: Conversation,
  { app, catchUp, actor }: Caller,
): Promise<Either<Failure, ConversationView>> => {
  await catchUp.ownWritesVisible(actor);
  return viewOfState(state, actor.userId, app.open);
};
