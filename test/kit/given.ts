import { expect } from "vitest";
import type { CommandContext, Decider } from "../../src/domain/kernel/decider.js";
import { E } from "../../src/domain/kernel/fp.js";
import type { RejectionCode } from "../../src/domain/rejections.js";

/** A command's context for tests: time and ids are the test's to say. */
export const contextOf = (userId: string, now = 1_000, commandId = "c-1", deviceId = "phone"): CommandContext => ({
  commandId,
  correlationId: commandId,
  now,
  by: { kind: "user", userId, deviceId },
});

/** Given events, when a command, then events or a rejection. */
export const given = <Command, State, Event extends { readonly type: string }>(
  decider: Decider<Command, State, Event>,
  history: readonly Event[] = [],
) => ({
  when: (command: Command) => {
    const state = history.reduce(decider.evolve, decider.initial());
    const decision = decider.decide(state, command);
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
