import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeConversationEvent } from "../../../src/domain/catalogue.js";
import { asRevision, firstRevision, noRevision, streamOf } from "../../../src/domain/kernel/stream.js";
import { createFramesOfEvent } from "../../../src/projections/delivery/frames-of-event.js";
import {
  createMemberships,
  foldMembership,
  membershipOf,
  type FindMembership,
  type Membership,
} from "../../../src/projections/delivery/memberships.js";
import { logOf } from "../../kit/arbitraries.js";
import { commands, fold, run } from "../../kit/conversations.js";
import { seed, untilSeen, withSeed } from "../../kit/seed.js";

const none: Membership = {
  kind: "group",
  members: new Map(),
  former: new Map(),
  lastSequence: 0,
  revision: noRevision,
};

it(`a membership from the conversation's state is the one that delivery folds (seed ${seed})`, async () => {
  const seen = { former: 0 };
  await untilSeen(seen, 5, (runs) => {
    fc.assert(
      fc.property(commands, (all) => {
        const { events } = run(all);
        const { state } = fold(events);
        if (state.situation !== "started") return;
        expect(membershipOf(state)).toEqual(events.reduce(foldMembership, none));
        if (state.former.size > 0) seen.former += 1;
      }),
      runs(200),
    );
  });
});

it("so is that of somebody who left and came back", () => {
  const send = { do: "send", in: "g_one", user: "alice", reply: false } as const;
  const joins = { do: "join", in: "g_one", users: ["carol"], all: false } as const;
  const leaves = { do: "leave", in: "g_one", user: "carol" } as const;
  const events = logOf([send, joins, send, leaves, send, joins, send])
    .filter(({ stream }) => stream === streamOf.conversation("g_one"))
    .map(decodeConversationEvent);
  const { state } = fold(events);
  if (state.situation !== "started") throw new Error("it was not started");
  expect(membershipOf(state)).toEqual(events.reduce(foldMembership, none));
  expect(membershipOf(state).members.get("carol")).toEqual([
    { from: 2, to: 3 },
    { from: 4, to: Infinity },
  ]);
});

it(`a membership that advances in place by a message is the one that is folded (seed ${seed})`, () => {
  const memberships = createMemberships({ readStream: () => Promise.resolve([]) }, () => Promise.resolve(undefined));
  fc.assert(
    fc.property(commands, (all) => {
      let folded = none;
      for (const event of run(all).events) {
        const before = { ...folded };
        folded = foldMembership(folded, event);
        if (event.type !== "MessageSent") continue;
        memberships.advance(before, event);
        expect(before).toEqual(folded);
      }
    }),
    withSeed({ numRuns: 200 }),
  );
});

it("a stream that begins with a message, as none does here, changes no other conversation's beginning", () => {
  const memberships = createMemberships({ readStream: () => Promise.resolve([]) }, () => Promise.resolve(undefined));
  const resolve = createFramesOfEvent({
    ...{ memberships, openNow: () => "{}", open: () => Promise.resolve("{}") },
    bus: { connected: () => true },
    source: { readStream: () => Promise.resolve([]) } as never,
    privacy: {} as never,
  });
  const send = { do: "send", in: "g_one", user: "alice", reply: false } as const;
  const message = logOf([send]).find(({ type }) => type === "MessageSent");
  if (message === undefined) throw new Error("nothing was sent");
  resolve.now({ ...message, revision: firstRevision }, new Map());
  expect(memberships.before("g_two", firstRevision)).toEqual(none);
});

describe("a long stream", () => {
  const messages = 1_200;
  const send = { do: "send", in: "g_one", user: "alice", reply: false } as const;
  const log = logOf(Array.from({ length: messages }, () => send)).filter(
    ({ stream }) => stream === streamOf.conversation("g_one"),
  );
  const events = log.map(decodeConversationEvent);
  const folded = (count: number) => events.slice(0, count).reduce(foldMembership, none);
  const loadWith = async (find: FindMembership, revision: number) => {
    let read = 0;
    const readStream = (_stream: string, from: number, count: number) => {
      const page = log.slice(from, from + count);
      read += page.length;
      return Promise.resolve(page);
    };
    const membership = await createMemberships({ readStream }, find).load("g_one", asRevision(revision));
    expect(membership).toEqual(folded(revision));
    return read;
  };
  const keptAt = (count: number, eventId = log[count - 1]?.id ?? ""): FindMembership => {
    return () => Promise.resolve({ membership: folded(count), eventId });
  };

  it("is folded from what was kept of it", async () => {
    expect(await loadWith(keptAt(1_000), log.length)).toBe(log.length - 1_000 + 1);
  });

  it("is folded from its start where nothing was kept, or something later, or of another log", async () => {
    expect(await loadWith(() => Promise.resolve(undefined), 700)).toBe(700);
    expect(await loadWith(keptAt(800), 700)).toBe(700);
    expect(await loadWith(keptAt(600, "another"), 700)).toBe(700 + 1);
  });

  it("asks nobody for a page of events", async () => {
    expect(await loadWith(() => Promise.reject(new Error("asked")), 500)).toBe(500);
  });
});
