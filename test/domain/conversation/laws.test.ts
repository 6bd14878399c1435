import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { conversation } from "../../../src/domain/conversation/conversation.decide.js";
import { E } from "../../../src/domain/kernel/fp.js";
import { commands, decided, fold, run } from "../../kit/conversations.js";
import { seed, withSeed } from "../../kit/seed.js";
import { asRevision } from "../../../src/domain/kernel/stream.js";

describe(`laws of a conversation (seed ${seed})`, () => {
  it("decide is deterministic and leaves its state and index alone", () => {
    fc.assert(
      fc.property(commands, (all) => {
        const { events } = run(all);
        for (const command of all) {
          const first = decided(events, command);
          const { state, index } = fold(events);
          expect(conversation.decide(state, command, index)).toEqual(first);
          expect(conversation.decide(state, command, index)).toEqual(first);
          expect({ state, index }).toEqual(fold(events));
        }
      }),
      withSeed({ numRuns: 100 }),
    );
  });

  it("the same command twice writes nothing the second time", () => {
    fc.assert(
      fc.property(commands, (all) => {
        const { events, state } = run(all);
        for (const command of all) {
          const first = decided(events, command);
          if (E.isLeft(first)) continue;
          const second = decided([...events, ...first.right], command);
          // A member who has left may not leave again: that is refused, and writes nothing either.
          expect(E.isRight(second) ? second.right : []).toEqual([]);
        }
        expect(state.revision).toBe(events.length - 1);
      }),
      withSeed({ numRuns: 100 }),
    );
  });

  it("numbers messages without a gap and never turns the clock back", () => {
    fc.assert(
      fc.property(commands, (all) => {
        const { events } = run(all);
        const sequences = events.flatMap((event) => (event.type === "MessageSent" ? [event.sequence] : []));
        expect(sequences).toEqual(sequences.map((_, index) => index + 1));
        const times = events.map((event) => event.at);
        expect(times).toEqual(times.toSorted((a, b) => a - b));
      }),
      withSeed({ numRuns: 200 }),
    );
  });

  it("a group with members always has an owner, and memberCount is their number", () => {
    fc.assert(
      fc.property(commands, (all) => {
        const members = new Map<string, string>();
        for (const event of run(all).events) {
          if (event.type === "MemberJoined") for (const { userId, role } of event.members) members.set(userId, role);
          if (event.type === "MemberLeft") members.delete(event.userId);
          if (event.type === "MemberRoleChanged") members.set(event.userId, event.role);
          if (event.type === "MemberJoined" || event.type === "MemberLeft")
            expect(event.memberCount).toBe(members.size);
        }
        if (members.size > 0) expect([...members.values()]).toContain("owner");
      }),
      withSeed({ numRuns: 200 }),
    );
  });

  it("pos and revision have no gap, and a state knows its newest", () => {
    fc.assert(
      fc.property(commands, (all) => {
        const { events, state, index } = run(all);
        let folded = conversation.initial();
        events.forEach((event, revision) => {
          folded = conversation.evolve(folded, event);
          expect(folded.revision).toBe(revision);
        });
        // Decided and folded one by one, or folded at once: the same.
        expect(folded).toEqual(state);
        expect(fold(events)).toEqual({ state, index });
        expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
      }),
      withSeed({ numRuns: 100 }),
    );
  });

  it("whatever amends a message names one that was sent, with its sequence, and none after its deletion", () => {
    fc.assert(
      fc.property(commands, (all) => {
        const sent = new Map<string, number>();
        const deleted = new Set<string>();
        for (const event of run(all).events) {
          if (event.type === "MessageSent") sent.set(event.messageId, event.sequence);
          else if ("messageId" in event) {
            expect(sent.get(event.messageId)).toBe(event.sequence);
            expect(deleted).not.toContain(event.messageId);
            if (event.type === "MessageDeleted") deleted.add(event.messageId);
          }
        }
      }),
      withSeed({ numRuns: 200 }),
    );
  });

  it("evolve makes the same of the same, and leaves every earlier state as it was", () => {
    fc.assert(
      fc.property(commands, (all) => {
        const { events } = run(all);
        const states = [frozen(conversation.initial())];
        const copies = [structuredClone(states[0])];
        for (const event of events) {
          const before = states.at(-1) ?? conversation.initial();
          const after = frozen(conversation.evolve(before, frozen(event)));
          expect(conversation.evolve(before, event)).toEqual(after);
          states.push(after);
          copies.push(structuredClone(after));
        }
        expect(states).toEqual(copies);
      }),
      withSeed({ numRuns: 100 }),
    );
  });

  it("decides over an append that is not accepted yet as after it, and leaves the index as if there were none", () => {
    fc.assert(
      fc.property(commands, fc.nat(), (all, cut) => {
        const { events } = run(all);
        const at = cut % (events.length + 1);
        const { state: before, index } = fold(events.slice(0, at));
        const over = conversation.index.over(index);
        const state = events.slice(at).reduce(conversation.evolve, before);
        events.slice(at).forEach((event, offset) => {
          conversation.index.add(over, event, asRevision(at + offset));
        });
        for (const command of all) expect(conversation.decide(state, command, over)).toEqual(decided(events, command));
        expect({ state: before, index }).toEqual(fold(events.slice(0, at)));
      }),
      withSeed({ numRuns: 100 }),
    );
  });
});

/** All of it, and Maps: a write in place throws. */
const frozen = <A>(value: A): A => {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  if (value instanceof Map) {
    for (const each of [...value.keys(), ...value.values()] as readonly unknown[]) frozen(each);
    for (const write of ["set", "delete", "clear"]) Object.defineProperty(value, write, { value: refuseWrite });
  }
  for (const each of Object.values(value)) frozen(each);
  return Object.freeze(value);
};
const refuseWrite = (): never => {
  throw new Error("written in place");
};
