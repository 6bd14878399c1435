import { expect, test } from "vitest";
import { contextOf, summaryOf } from "../../../src/cli/events/output.js";
import { asPosition, firstRevision } from "../../../src/domain/kernel/stream.js";

test.each([
  [{ userId: "alice", deviceId: "phone" }, "alice/phone"],
  [{ kind: "user", userId: "alice", deviceId: "phone" }, "alice/phone"],
  [{ kind: "bot", userId: "weather" }, "bot weather"],
  [{ kind: "app", keyId: "k-1" }, "app k-1"],
  [{ kind: "app", keyId: "k-1", onBehalfOf: "alice" }, "app k-1 for alice"],
  [{ kind: "system" }, "system"],
  [{ kind: "operator" }, "operator"],
  [{ kind: "operator", userId: "root" }, "operator root"],
  [{ kind: "ghost", userId: "alice", deviceId: "phone" }, "?"],
  [undefined, "?"],
])("an event by %j is shown as by %s", (by, name) => {
  const meta = { at: 0, by };
  expect(contextOf(meta)).toEqual({ at: "1970-01-01T00:00:00.000Z", by: name });
  const place = {
    position: asPosition(7),
    stream: "user-alice",
    revision: firstRevision,
    id: "e",
    type: "DeviceRemoved",
    data: {},
  };
  expect(summaryOf({ ...place, meta })).toContain(`  ${name}  `);
});
