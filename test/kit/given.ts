import { expect } from "vitest";
import type { CommandContext, Decider } from "../../src/domain/kernel/decider.js";
import { E } from "../../src/domain/kernel/fp.js";
import type { RejectionCode } from "../../src/domain/rejections.js";
import { asRevision } from "../../src/domain/kernel/stream.js";

/** A command's context for tests: time and ids are the test's to say. */
export const contextOf = (userId: string, now = 1_000, commandId = "c-1", deviceId = "phone"): CommandContext => ({
  commandId,
  correlationId: commandId,
  now,
  by: { kind: "user", userId, deviceId },
});

/** What a stream folds to from its first event on. */
export const folded = <Command, State, Event, Index>(
  decider: Decider<Command, State, Event, Index>,
  history: readonly Event[],
): { readonly state: State; readonly index: Index } => {
  const index = decider.index.empty();
  history.forEach((event, revision) => {
    decider.index.fold(index, event, asRevision(revision));
  });
  return { state: history.reduce(decider.evolve, decider.initial()), index };
};

/** Given events, when a command, then events or a rejection. */
export const given = <Command, State, Event extends { readonly type: string }, Index>(
  decider: Decider<Command, State, Event, Index>,
  history: readonly Event[] = [],
) => ({
  when: (command: Command) => {
    const { state, index } = folded(decider, history);
    const decision = decider.decide(state, command, index);
    return {
      /** The events have (at least) these fields, in this order, and there are no others. */
      then: (...events: readonly Partial<Event>[]): readonly Event[] => {
        expect(decision).toMatchObject({ _tag: "Right" });
        const decided = E.isRight(decision) ? decision.right : [];
        expect(decided).toMatchObject(events as unknown as Event[]);
        expect(decided).toHaveLength(events.length);
        return decided;
      },
      thenRejected: (code: RejectionCode): void => {
        expect(decision).toMatchObject({ _tag: "Left", left: { code } });
      },
      events: (): readonly Event[] => (E.isRight(decision) ? decision.right : []),
    };
  },
});
