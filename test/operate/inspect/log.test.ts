import { expect, it } from "vitest";
import { E } from "../../../src/domain/kernel/fp.js";
import { encodeEvent } from "../../../src/domain/catalogue.js";
import { byUser } from "../../../src/domain/kernel/by.js";
import { firstRevision, streamOf } from "../../../src/domain/kernel/stream.js";
import { openLogInspection } from "../../../src/operate/inspect/log.js";
import { commandsOn, openLogKit } from "../../kit/log.js";

const causation = { commandId: "c", correlationId: "c" };

it("a text that does not open hides none of the event's others; what was never sealed is among them", async () => {
  const kit = await openLogKit();
  try {
    const by = byUser({ userId: "alice", deviceId: "phone" });
    const context = { commandId: "c", correlationId: "c", now: 1, by };
    const group = { name: "Friends", description: "all of them", participantIds: ["bob"] };
    const done = await commandsOn(kit).startGroup(group, context);
    const conversationId = E.isRight(done) ? done.right.conversationId : "";
    const stream = streamOf.conversation(conversationId);
    const [started] = await kit.log.readStream(stream, firstRevision, 1);
    const { profile } = JSON.parse(started?.data ?? "") as { profile: Record<string, Record<string, string>> };
    const data = Buffer.from(profile.name?.data ?? "", "base64");
    data[20] = (data[20] ?? 0) ^ 1;
    const changes = { ...profile, name: { ...profile.name, data: data.toString("base64") } };
    const event = { type: "SettingsChanged", id: "00000000-0000-4000-8000-000000000001", at: 2, by, changes } as never;
    const old = { type: "ProfileChanged", data: '{"changes":{"displayName":"Alice"}}', meta: "{}" };
    await kit.log.append(stream, "any", [encodeEvent(event, causation)]);
    await kit.log.append("user-alice", "any", [{ ...old, id: "00000000-0000-4000-8000-000000000002" }]);
    const log = await openLogInspection(kit.dir, { open: "auto" });
    const [changed, named] = await log.newest({}, 2);
    log.close();
    expect(changed).toMatchObject({ opened: { description: "all of them" }, damaged: expect.any(String) as string });
    expect(changed?.opened).not.toHaveProperty("name");
    expect(named?.opened).toEqual({ displayName: "Alice" });
  } finally {
    await kit.dispose();
  }
});
