import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { conversation } from "../../../src/domain/conversation/conversation.decide.js";
import { rewind } from "../../../src/domain/conversation/conversation.js";
import { E } from "../../../src/domain/kernel/fp.js";
import { commands, fold, run } from "../../kit/conversations.js";
import { seed, withSeed } from "../../kit/seed.js";

describe(`laws of a conversation (seed ${seed})`, () => {
  it("decide is deterministic and leaves its state alone", () => {
    fc.assert(
      fc.property(commands, (all) => {
        const { events } = run(all);
        for (const command of all) {
          const first = conversation.decide(fold(events), command);
          const state = fold(events);
          expect(conversation.decide(state, command)).toEqual(first);
          expect(conversation.decide(state, command)).toEqual(first);
          expect(state).toEqual(fold(events));
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
          const first = conversation.decide(fold(events), command);
          if (E.isLeft(first)) continue;
          const after = first.right.reduce(conversation.evolve, fold(events));
          const second = conversation.decide(after, command);
          // Who has left may not leave again: that is refused, and writes nothing either.
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
        const { events, state } = run(all);
        let folded = conversation.initial();
        events.forEach((event, index) => {
          folded = conversation.evolve(folded, event);
          expect(folded.revision).toBe(index);
        });
        // Decided and folded one by one, or folded at once: the same.
        expect(folded).toEqual(state);
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

  it("rewinding forgets exactly what was folded in since", () => {
    fc.assert(
      fc.property(commands, fc.nat(), (all, cut) => {
        const { events } = run(all);
        const at = 1 + (cut % events.length);
        const before = fold(events.slice(0, at));
        events.slice(at).reduce(conversation.evolve, before);
        rewind(before, before.revision);
        expect(before).toEqual(fold(events.slice(0, at)));
      }),
      withSeed({ numRuns: 100 }),
    );
  });
});
