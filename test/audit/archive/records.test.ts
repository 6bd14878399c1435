import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createPeople } from "../../../src/audit/archive/people.js";
import type { ArchiveItem, ArchiveRecord, OpenText, Person } from "../../../src/audit/archive/record.js";
import { recordsOf } from "../../../src/audit/archive/records.js";
import { decodeEvent } from "../../../src/domain/catalogue.js";
import { defaultSettings } from "../../../src/domain/conversation/conversation.events.js";
import { asPosition, streamId, streamOf, type RecordedEvent } from "../../../src/domain/kernel/stream.js";
import type { MembershipStep } from "../../../src/projections/ports/rows.js";
import { visibleIntervals } from "../../../src/projections/views/visibility.js";
import { conversationIds, createWriter, logs, users } from "../../kit/arbitraries.js";
import { logOfEvents } from "../../kit/log-of-events.js";

const open: OpenText = (_, { data }) => Promise.resolve({ text: data });

const itemsOf = async (events: readonly RecordedEvent[], after: number, upTo: number, user?: string) => {
  const log = logOfEvents(events);
  const source = { log, open, people: createPeople(log, open) };
  const items: ArchiveItem[] = [];
  for (const id of conversationIds)
    for await (const item of recordsOf(source, id, { after: asPosition(after), upTo: asPosition(upTo) }, user))
      items.push(item);
  return items;
};
const recordsIn = (items: readonly ArchiveItem[]): readonly ArchiveRecord[] =>
  items.flatMap((item) => ("record" in item ? [item.record] : []));
const byPlace = (records: readonly ArchiveRecord[]) =>
  records.toSorted((a, b) => a.position - b.position || idOf(a.subject).localeCompare(idOf(b.subject)));
const idOf = (person: Person | undefined): string => person?.userId ?? "";

/** Who may see a message at a moment, as the views' rule says it of the memberships up to there. */
const mayThenSee = (events: readonly RecordedEvent[], at: RecordedEvent, sequence: number): readonly string[] =>
  users.filter((userId) => {
    const steps = events.flatMap((recorded): readonly MembershipStep[] => {
      if (recorded.stream !== at.stream || recorded.position > at.position) return [];
      const event = decodeEvent(recorded);
      if (event.type === "MemberJoined" && event.members.some((member) => member.userId === userId))
        return [{ pos: recorded.revision, joined: true, sequence: event.visibleFrom, at: event.at }];
      if (event.type === "MemberLeft" && event.userId === userId)
        return [{ pos: recorded.revision, joined: false, sequence: event.leftAt, at: event.at }];
      return [];
    });
    return (
      steps.at(-1)?.joined === true &&
      visibleIntervals(steps).some(({ from, to }) => from <= sequence && sequence <= to)
    );
  });

const nameThen = (events: readonly RecordedEvent[], at: RecordedEvent, userId: string): string | undefined => {
  let name: string | undefined;
  for (const recorded of events) {
    if (recorded.stream !== streamOf.user(userId) || recorded.position > at.position) continue;
    const event = decodeEvent(recorded);
    if (event.type === "ProfileChanged" && event.changes.displayName !== undefined)
      name = event.changes.displayName?.data;
  }
  return name;
};

describe("the records of an archive", () => {
  it("are one for each event of a conversation, and of a joining one for each who joined", async () => {
    await fc.assert(
      fc.asyncProperty(logs, async (events) => {
        const expected = events
          .filter(({ stream }) => stream.startsWith("conversation-"))
          .flatMap((recorded) => {
            const event = decodeEvent(recorded);
            return (event.type === "MemberJoined" ? event.members : [undefined]).map(() => recorded.position);
          });
        const records = recordsIn(await itemsOf(events, 0, Infinity));
        expect(byPlace(records).map(({ position }) => position)).toEqual(expected);
      }),
    );
  });

  it("of ranges that meet are those of the whole, whatever is cut", async () => {
    await fc.assert(
      fc.asyncProperty(logs, fc.array(fc.integer({ min: 1, max: 120 }), { maxLength: 4 }), async (events, cuts) => {
        const bounds = [0, ...cuts.toSorted((a, b) => a - b), 1_000];
        const parts: ArchiveRecord[] = [];
        for (const [index, after] of bounds.slice(0, -1).entries())
          parts.push(...recordsIn(await itemsOf(events, after, bounds[index + 1] ?? 0)));
        expect(byPlace(parts)).toEqual(byPlace(recordsIn(await itemsOf(events, 0, 1_000))));
      }),
    );
  });

  it("name who could see each message then, by the names that they had then", async () => {
    await fc.assert(
      fc.asyncProperty(logs, async (events) => {
        const byPosition = new Map(events.map((recorded) => [recorded.position, recorded]));
        for (const { position, message, visibleTo } of recordsIn(await itemsOf(events, 0, 1_000))) {
          const recorded = byPosition.get(position);
          if (message === undefined || visibleTo === undefined || recorded === undefined) continue;
          const expected = mayThenSee(events, recorded, message.sequence).map((userId) => [
            userId,
            nameThen(events, recorded, userId),
          ]);
          const named = visibleTo.map(({ userId, name }) => [userId, name && "text" in name ? name.text : undefined]);
          expect(named.toSorted()).toEqual(expected.toSorted());
        }
      }),
    );
  });

  it("of one user are what they did, what was done to them and what happened before their eyes", async () => {
    await fc.assert(
      fc.asyncProperty(logs, fc.constantFrom(...users), async (events, user) => {
        const all = byPlace(recordsIn(await itemsOf(events, 0, 1_000)));
        const present = new Map<string, Set<string>>(conversationIds.map((id) => [id, new Set()]));
        const together = (record: ArchiveRecord): ReadonlySet<string> => {
          const there = present.get(record.conversation.id) ?? new Set();
          const before = new Set(there);
          if (record.kind === "joined") there.add(idOf(record.subject));
          if (record.kind === "left") there.delete(idOf(record.subject));
          // All who join by one event are there for each other.
          return new Set([...before, ...there]);
        };
        const joinedAt = new Map(
          all.flatMap(({ kind, position, subject }) =>
            kind === "joined" && subject?.userId === user ? [[position, true]] : [],
          ),
        );
        const expected = all.filter((record) => {
          const members = together(record);
          if (record.author?.userId === user || record.subject?.userId === user) return true;
          if (record.visibleTo !== undefined) return record.visibleTo.some(({ userId }) => userId === user);
          return members.has(user) || joinedAt.has(record.position);
        });
        expect(byPlace(recordsIn(await itemsOf(events, 0, 1_000, user)))).toEqual(expected);
      }),
    );
  });

  it("begin with the members from before them, and names each who came and went since", async () => {
    await fc.assert(
      fc.asyncProperty(
        logs,
        fc.integer({ min: 1, max: 60 }),
        fc.constantFrom(undefined, ...users),
        async (events, after, user) => {
          let there = new Set<string>();
          for (const item of await itemsOf(events, after, 1_000, user)) {
            if ("begins" in item) {
              there = new Set(item.present.map(({ userId }) => userId));
              continue;
            }
            const { record } = item;
            if (record.kind === "joined") there.add(idOf(record.subject));
            if (record.kind === "left") there.delete(idOf(record.subject));
            for (const { userId } of record.visibleTo ?? []) expect(there).toContain(userId);
          }
        },
      ),
    );
  });

  it("of one user begin again with those who came while they were away", async () => {
    const { log, write } = createWriter();
    const stream = streamOf.conversation("g_1");
    const profile = { kind: "group", createdBy: "bob", createdAt: 1, settings: defaultSettings } as const;
    const join = (...joining: readonly string[]): void => {
      const members = joining.map((userId) => ({ userId, role: "member" }) as const);
      write(stream, "bob", { type: "MemberJoined", members, visibleFrom: 1, sequence: 0, memberCount: 3, profile });
    };
    write(stream, "bob", { type: "ConversationStarted", conversationId: "g_1", home: "main", profile });
    join("alice", "bob");
    write(stream, "alice", { type: "MemberLeft", userId: "alice", leftAt: 1, memberCount: 1 });
    join("carol");
    join("alice");
    const source = { log: logOfEvents(log), open, people: createPeople(logOfEvents(log), open) };
    const begun: (readonly string[])[] = [];
    const range = { after: asPosition(0), upTo: asPosition(100) };
    for await (const item of recordsOf(source, "g_1", range, "alice"))
      if ("begins" in item) begun.push(item.present.map(({ userId }) => userId));
    expect(begun).toEqual([[], ["bob", "carol"]]);
  });

  it("say of an event that cannot be read that it is there, and go on", async () => {
    const [events = []] = fc.sample(
      logs.filter((log) => log.filter(({ type }) => type === "MessageSent").length > 2),
      { numRuns: 1, seed: 7 },
    );
    const victim = events.find(({ type }) => type === "MessageSent");
    const damaged = events.map((event) => (event === victim ? { ...event, data: "{" } : event));
    const records = recordsIn(await itemsOf(damaged, 1, 1_000));
    const place = `${streamOf.conversation(streamId(victim?.stream ?? ""))}@${victim?.revision ?? ""}`;
    expect(records.filter(({ kind }) => kind === "unreadable")).toMatchObject([
      { position: victim?.position, unreadable: `MessageSent at ${place} cannot be read: not JSON` },
    ]);
    expect(records).toHaveLength(recordsIn(await itemsOf(events, 0, 1_000)).length);
  });
});
