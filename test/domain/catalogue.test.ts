import { readFileSync, readdirSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { catalogue, decodeEvent, encodeEvent, UnreadableEvent, type DomainEvent } from "../../src/domain/catalogue.js";
import type { RecordedEvent } from "../../src/domain/kernel/stream.js";
import { logs } from "../kit/arbitraries.js";
import { untilSeen } from "../kit/seed.js";

/** Every version ever written, as it stood in a log, with what it means today. A golden file is never edited. */
type Golden = { readonly stored: RecordedEvent; readonly event: DomainEvent };
/** Files from before kinds of actors were told say nothing of them: those were all users. */
type Stored = Pick<Golden, "stored"> & { readonly event: Omit<DomainEvent, "by"> & { readonly by: object } };

const metadata = new URL("../golden/metadata/", import.meta.url);
const directory = new URL("../golden/events/", import.meta.url);
const files = readdirSync(directory);
const read = (file: string, from = directory): Golden => {
  const { stored, event } = JSON.parse(readFileSync(new URL(file, from), "utf8")) as Stored;
  return { stored, event: { ...event, by: { kind: "user", ...event.by } } as DomainEvent };
};

it("random logs have events by every kind of actor, messages by each that is a user", () => {
  const events = fc.sample(logs, { numRuns: 30, seed: 1 }).flatMap((log) => log.map(decodeEvent));
  const kindsIn = (some: readonly DomainEvent[]) => [...new Set(some.map(({ by }) => by.kind))].toSorted();
  expect(kindsIn(events)).toEqual(["app", "bot", "operator", "system", "user"]);
  expect(kindsIn(events.filter(({ type }) => type === "MessageSent"))).toEqual(["app", "bot", "user"]);
});

describe("the catalogue", () => {
  it("has a golden file for every version of every type", () => {
    const versions = Object.entries(catalogue).flatMap(([type, all]) =>
      all.map((_, index) => `${type}@${index + 1}.json`),
    );
    expect(files.toSorted()).toEqual(versions.toSorted());
  });

  it.each(files)("reads %s", (file) => {
    const { stored, event } = read(file);
    expect(decodeEvent(stored)).toEqual(event);
  });

  it.each(files)("writes what it reads (%s)", (file) => {
    const { stored } = read(file);
    const event = decodeEvent(stored);
    const { commandId, correlationId } = JSON.parse(stored.meta) as { commandId: string; correlationId: string };
    const { id, type, data, meta } = encodeEvent(event, { commandId, correlationId });
    expect(decodeEvent({ ...stored, id, type, data, meta })).toEqual(event);
  });

  it.each(readdirSync(metadata))("reads and writes who acted (%s)", (file) => {
    const { stored, event } = read(file, metadata);
    expect(decodeEvent(stored)).toEqual(event);
    const { id, type, data, meta } = encodeEvent(event, { commandId: "c", correlationId: "r" });
    expect(decodeEvent({ ...stored, id, type, data, meta })).toEqual(event);
  });

  it("refuses messages and reactions that are nobody's", () => {
    const by = { kind: "system" };
    for (const file of ["MessageSent@1.json", "ReactionAdded@1.json", "ReactionRemoved@1.json"]) {
      const { stored } = read(file);
      const meta = (changed: object) => JSON.stringify({ ...(JSON.parse(stored.meta) as object), by: changed });
      expect(() => decodeEvent({ ...stored, meta: meta(by) })).toThrow("nobody did it");
      expect(() => decodeEvent({ ...stored, meta: meta({ kind: "app", keyId: "k" }) })).toThrow("nobody did it");
      expect(decodeEvent({ ...stored, meta: meta({ kind: "bot", userId: "b" }) })).toMatchObject({
        by: { kind: "bot", userId: "b" },
      });
    }
  });

  it.each([
    ["nobody", null],
    ["a kind that is not known", { kind: "ghost", userId: "a", deviceId: "b" }],
    ["a user without a device", { kind: "user", userId: "a" }],
    ["no kind and no device", { userId: "a" }],
    ["a bot without a user", { kind: "bot" }],
    ["an application without a key", { kind: "app", onBehalfOf: "a" }],
    ["an operator of no name", { kind: "operator", userId: 7 }],
  ])("refuses an event by %s", (_, by) => {
    const { stored } = read("user.json", metadata);
    const meta = JSON.stringify({ ...(JSON.parse(stored.meta) as object), by });
    expect(() => decodeEvent({ ...stored, meta })).toThrow("bad by");
  });

  it.each([
    ["an unknown type", { type: "MessageSung" }],
    [
      "an unknown version",
      { meta: '{"at":1,"by":{"userId":"a","deviceId":"b"},"commandId":"c","correlationId":"d","schema":99}' },
    ],
    ["data that are not JSON", { data: "{" }],
    ["data of another shape", { data: "{}" }],
    ["metadata without a time", { meta: "{}" }],
  ])("refuses %s, naming the event", (_, change) => {
    const stored = { ...read("MessageSent@1.json").stored, ...change };
    expect(() => decodeEvent(stored)).toThrow(UnreadableEvent);
    expect(() => decodeEvent(stored)).toThrow(`${stored.stream}@${stored.revision}`);
  });

  it("says of every damaged event that it cannot be read, or reads it: nothing else is thrown", async () => {
    const damage = fc.record({
      log: logs,
      at: fc.nat(),
      part: fc.constantFrom("data" as const, "meta" as const),
      cut: fc.nat({ max: 60 }),
      put: fc.constantFrom("", '"', "1", "null", "x"),
    });
    const seen = { refused: 0 };
    await untilSeen(seen, 50, (runs) => {
      fc.assert(
        fc.property(damage, ({ log, at, part, cut, put }) => {
          const event = log[at % log.length];
          if (event === undefined) return;
          try {
            decodeEvent({ ...event, [part]: event[part].slice(0, cut) + put + event[part].slice(cut + 1) });
          } catch (error) {
            expect(error).toBeInstanceOf(UnreadableEvent);
            seen.refused += 1;
          }
        }),
        runs(300),
      );
    });
    const { stored } = read("MessageSent@2.json");
    for (const json of ["null", "[]", "7", '""'])
      for (const part of [{ data: json }, { meta: json }])
        expect(() => decodeEvent({ ...stored, ...part })).toThrow(UnreadableEvent);
  });
});
