import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, it } from "vitest";
import { cellOfLog, openEpoch } from "../../src/commands/epoch.js";
import { contextOf } from "../kit/given.js";
import { commandsOn, openLogKit, type LogKit } from "../kit/log.js";
import { firstRevision } from "../../src/domain/kernel/stream.js";

let kit: LogKit;
beforeEach(async () => {
  kit = await openLogKit();
});
afterEach(() => kit.dispose());

it("a log remembers the cell that began it", async () => {
  expect(await cellOfLog(kit.log)).toBeUndefined();
  const epoch = await openEpoch(kit.log, "first", Date.now, { uuid: randomUUID });
  expect(await openEpoch(kit.log, "second", Date.now, { uuid: randomUUID })).toBe(epoch);
  expect(await cellOfLog(kit.log)).toBe("first");
});

it("a log is begun by nobody but the system", async () => {
  await openEpoch(kit.log, "first", Date.now, { uuid: randomUUID });
  const [started] = await kit.log.readStream("parley-log", firstRevision, 1);
  expect(JSON.parse(started?.meta ?? "")).toMatchObject({ by: { kind: "system" } });
});

it("a log whose start does not tell its cell is of the cell that its first user names", async () => {
  const meta = JSON.stringify({
    ...{ at: 1, by: { userId: "parley", deviceId: "parley" }, commandId: "c", correlationId: "r", schema: 1 },
  });
  const started = { id: randomUUID(), type: "LogStarted", data: '{"epoch":"e"}', meta };
  await kit.log.append("parley-log", "no_stream", [started]);
  expect([await openEpoch(kit.log, "other", Date.now, { uuid: randomUUID }), await cellOfLog(kit.log)]).toEqual([
    "e",
    undefined,
  ]);
  const commands = commandsOn(kit, kit.log, { home: "old" });
  await commands.startDirect({ peerId: "bob" }, contextOf("alice", Date.now(), randomUUID()));
  expect(await cellOfLog(kit.log)).toBe("old");
});
