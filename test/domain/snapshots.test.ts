import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { catalogue, decodeEvent, type DomainEvent } from "../../src/domain/catalogue.js";
import { conversationSnapshot } from "../../src/domain/conversation/conversation.snapshot.js";
import type { SnapshotFormat } from "../../src/domain/kernel/chunks.snapshot.js";
import type { RecordedEvent } from "../../src/domain/kernel/stream.js";
import { receipts } from "../../src/domain/receipts/receipts.js";
import { receiptsSnapshot } from "../../src/domain/receipts/receipts.snapshot.js";
import { user } from "../../src/domain/user/user.decide.js";
import { userSnapshot } from "../../src/domain/user/user.snapshot.js";
import { commands, fold, foldOn, run } from "../kit/conversations.js";
import { goldenHistory } from "../golden/history.js";
import { seed, withSeed } from "../kit/seed.js";

const restored = <State>({ chunksOf, stateOf }: SnapshotFormat<State>, state: State): State =>
  stateOf(new Map(chunksOf(state).map(({ name, data }) => [name, data()])));

const digestOf = <State>({ chunksOf }: SnapshotFormat<State>, state: State): string => {
  const hash = createHash("sha256");
  for (const { name, fixed, data } of chunksOf(state)) hash.update(`${name} ${fixed}\0`).update(data());
  return hash.digest("hex");
};

describe(`snapshots (seed ${seed})`, () => {
  it("a conversation comes back as it was, and goes on the same", () => {
    fc.assert(
      fc.property(commands, fc.nat(), (all, cut) => {
        const { events } = run(all);
        const at = cut % (events.length + 1);
        const back = restored(conversationSnapshot, fold(events.slice(0, at)));
        expect(back).toEqual(fold(events.slice(0, at)));
        expect(foldOn(back, at, events.slice(at))).toEqual(fold(events));
      }),
      withSeed({ numRuns: 100 }),
    );
  });

  it("is not changed by what is folded in after it was taken", () => {
    const events = goldenHistory.conversation;
    for (const at of [events.length - 1, events.length - 300]) {
      const before = fold(events.slice(0, at));
      const chunks = conversationSnapshot.chunksOf(before);
      foldOn(before, at, events.slice(at));
      const later = conversationSnapshot.stateOf(new Map(chunks.map(({ name, data }) => [name, data()])));
      expect(digestOf(conversationSnapshot, later)).toBe(digestOf(conversationSnapshot, fold(events.slice(0, at))));
    }
  });

  it("fixed chunks never change while the conversation goes on", () => {
    const events = goldenHistory.conversation;
    const known = new Map<string, string>();
    let folded = fold([]);
    let isKnownAgain = false;
    events.forEach((event, revision) => {
      folded = foldOn(folded, revision, [event]);
      if (revision % 500 !== 0 && revision < events.length - 3) return;
      for (const { name, fixed, data } of conversationSnapshot.chunksOf(folded)) {
        if (!fixed) continue;
        const digest = createHash("sha256").update(data()).digest("hex");
        isKnownAgain ||= known.has(name);
        expect(known.get(name) ?? digest).toBe(digest);
        known.set(name, digest);
      }
    });
    expect(isKnownAgain).toBe(true);
  });
});

/**
 * `evolve` and the formats of the chunks may only change together with the version: a snapshot that older code made
 * would be taken for what today's code folds. When this fails: raise `version` in the aggregate's `*.snapshot.ts` and
 * add the line that the failure shows to `versions.json`. A line that is there is never edited.
 */
describe("the version of a snapshot", () => {
  const path = new URL("../golden/snapshots/versions.json", import.meta.url);
  const versions = JSON.parse(readFileSync(path, "utf8")) as Record<string, string>;
  const goldenEvents = readdirSync(new URL("../golden/events/", import.meta.url))
    .toSorted()
    .map((file) => readFileSync(new URL(`../golden/events/${file}`, import.meta.url), "utf8"))
    .map((text) => decodeEvent((JSON.parse(text) as { stored: RecordedEvent }).stored));
  it.each([
    [
      "conversation",
      conversationSnapshot.version,
      () => digestOf(conversationSnapshot, fold(goldenHistory.conversation)),
    ],
    [
      "receipts",
      receiptsSnapshot.version,
      () => digestOf(receiptsSnapshot, goldenHistory.receipts.reduce(receipts.evolve, receipts.initial())),
    ],
    [
      "user",
      userSnapshot.version,
      () => digestOf(userSnapshot, goldenHistory.user.reduce(user.evolve, user.initial())),
    ],
  ])("of a %s is raised when what it holds changes", (name, version, digest) => {
    expect({ [`${name}@${version}`]: versions[`${name}@${version}`] }).toEqual({ [`${name}@${version}`]: digest() });
    const all = Object.entries(versions).filter(([key]) => key.startsWith(`${name}@`));
    expect(new Set(all.map(([, value]) => value)).size).toBe(all.length);
  });

  /**
   * A snapshot may lie beyond events in a form that an older process does not know, and which it would refuse: it must
   * not take what a newer one has folded of them. When this fails: raise the snapshot's `version`, and add a line here too.
   */
  it.each([
    ["conversation", conversationSnapshot.version, goldenHistory.conversation],
    ["receipts", receiptsSnapshot.version, goldenHistory.receipts],
    ["user", userSnapshot.version, goldenHistory.user],
  ])("of a %s is raised when one of its events gets a new form", (name, version, history) => {
    const forms = [...new Set(history.map(({ type }) => `${type}@${catalogue[type].length}`))].toSorted().join(" ");
    const known = JSON.parse(
      readFileSync(new URL("../golden/snapshots/events.json", import.meta.url), "utf8"),
    ) as object;
    expect(known).toMatchObject({ [`${name}@${version}`]: forms });
  });

  /** Of the streams that begin with `parley-`: nothing is decided on what they fold to. */
  const ofNoAggregate = [
    "HoldSet",
    "HoldReleased",
    "LogStarted",
    "AccessRecorded",
    "ArchiveExported",
    "TreeHeadSigned",
    "TreeKeyAdded",
  ];

  it("is tested on every kind of event", () => {
    const kinds = (events: readonly DomainEvent[]) => [...new Set(events.map(({ type }) => type))].toSorted();
    const { conversation: spoken, receipts: read, user: person } = goldenHistory;
    expect(kinds([...spoken, ...read, ...person])).toEqual(
      kinds(goldenEvents.filter(({ type }) => !ofNoAggregate.includes(type))),
    );
    expect(restored(receiptsSnapshot, read.reduce(receipts.evolve, receipts.initial()))).toEqual(
      read.reduce(receipts.evolve, receipts.initial()),
    );
    expect(restored(userSnapshot, person.reduce(user.evolve, user.initial()))).toEqual(
      person.reduce(user.evolve, user.initial()),
    );
    expect(restored(userSnapshot, user.initial())).toEqual(user.initial());
  });
});
