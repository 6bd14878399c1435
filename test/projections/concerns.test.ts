import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeEvent } from "../../src/domain/catalogue.js";
import type { RecordedEvent } from "../../src/domain/kernel/stream.js";
import { project } from "../../src/projections/registry.js";
import { concerns } from "../../src/projections/views/concerns.js";
import type { Projection } from "../../src/projections/views/projection.js";
import { devices } from "../../src/projections/views/users.js";

const directory = new URL("../golden/events/", import.meta.url);
const read = (file: string): RecordedEvent =>
  (JSON.parse(readFileSync(new URL(file, directory), "utf8")) as { readonly stored: RecordedEvent }).stored;

describe("which views an event concerns", () => {
  it.each(readdirSync(directory))("are those that it changes, and no others (%s)", (file) => {
    const event = decodeEvent(read(file));
    const changed = new Set(project(event, read(file)).map(({ view }) => view));
    expect([...changed]).toEqual(concerns[event.type]);
  });

  it("a table of handlers that leaves one out, or has one too many, is none", () => {
    const { DeviceRegistered, DeviceRemoved } = devices;
    // @ts-expect-error DeviceRemoved concerns devices
    const tooFew: Projection<"devices"> = { DeviceRegistered };
    // @ts-expect-error LogStarted concerns nothing
    const tooMany: Projection<"devices"> = { DeviceRegistered, DeviceRemoved, LogStarted: () => [] };
    expect([tooFew, tooMany]).toHaveLength(2);
  });
});
