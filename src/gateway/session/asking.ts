import { byUser } from "../../domain/kernel/by.js";
import type { CommandContext } from "../../domain/kernel/decider.js";
import { E, type Either } from "../../domain/kernel/fp.js";
import type { Position } from "../../domain/kernel/stream.js";
import type { Failure } from "../protocol/codes.js";
import type { DispatcherDeps, Live } from "./dispatch-types.js";

/** What whatever a connection asks of the application comes with. */
export const contextOf = ({ ids }: Pick<DispatcherDeps, "ids">, { connection }: Live, now: number): CommandContext => ({
  commandId: ids.uuid(),
  correlationId: connection.connectionId,
  now,
  by: byUser(connection.actor),
});

/** What the log says of it where it ends in a defect. */
export const labels =
  ({ connection }: Live, type: string) =>
  (): object => ({ type, connectionId: connection.connectionId, userId: connection.actor.userId });

/** Begins a write, and returns its end: syncs that come after it wait for that, and reads that come after its answer see it. */
export const writing = <A extends { readonly position: Position }>(
  { catchUp }: Pick<DispatcherDeps, "catchUp">,
  live: Live,
  done: (outcome: Either<Failure, A>) => void,
): ((outcome: Either<Failure, A>) => void) => {
  const begun = live.writes.begin();
  return (outcome) => {
    live.writes.end(begun);
    if (E.isRight(outcome)) catchUp.wrote(live.connection.actor.userId, outcome.right.position);
    done(outcome);
  };
};
