import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { catalogue, decodeEvent, encodeEvent, UnreadableEvent, type DomainEvent } from "../../src/domain/catalogue.js";
import type { RecordedEvent } from "../../src/domain/kernel/stream.js";

/** Every version ever written, as it stood in a log, with what it means today. A golden file is never edited. */
type Golden = { readonly stored: RecordedEvent; readonly event: DomainEvent };

const directory = new URL("../golden/events/", import.meta.url);
const files = readdirSync(directory);
const read = (file: string): Golden => JSON.parse(readFileSync(new URL(file, directory), "utf8")) as Golden;

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
});
