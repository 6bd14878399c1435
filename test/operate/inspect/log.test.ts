import { expect, it } from "vitest";
import { E } from "../../../src/domain/kernel/fp.js";
import { encodeEvent } from "../../../src/domain/catalogue.js";
import { byUser } from "../../../src/domain/kernel/by.js";
import { asPosition, firstRevision, noPosition, streamOf } from "../../../src/domain/kernel/stream.js";
import { inspectionOf, openLogInspection, type ShownEvent } from "../../../src/operate/inspect/log.js";
import { awayFor, sparse } from "../../kit/event-store.js";
import { commandsOn, openLogKit, writeLongConversation } from "../../kit/log.js";

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
    const log = await openLogInspection({ profile: "embedded", dir: kit.dir }, { open: "auto" });
    const [changed, named] = await log.newest({}, 2);
    await log.close();
    expect(changed).toMatchObject({ opened: { description: "all of them" }, damaged: expect.any(String) as string });
    expect(changed?.opened).not.toHaveProperty("name");
    expect(named?.opened).toEqual({ displayName: "Alice" });
  } finally {
    await kit.dispose();
  }
});

const collected = async (events: AsyncIterable<ShownEvent>, count = Infinity): Promise<readonly ShownEvent[]> => {
  const found: ShownEvent[] = [];
  for await (const event of events) if (found.push(event) >= count) break;
  return found;
};

it("positions are opaque: a log that knows no others than those of its events is read from each, also by pages", async () => {
  const kit = await openLogKit();
  try {
    await writeLongConversation(kit.log, "g_long", 1_200);
    const log = inspectionOf(sparse(kit.log));
    const head = await log.head();
    const at = (number: number) => asPosition(number * 1_000);
    expect(head).toBe(at(1_202));
    const some = await collected(log.from({}, at(2), 3));
    expect(some.map(({ position }) => position)).toEqual([at(2), at(3), at(4)]);
    expect(await collected(log.from({}, asPosition(1), Infinity))).toHaveLength(1_202);
    expect(await log.newest({ type: "MemberJoined" }, 5)).toMatchObject([{ position: at(2) }]);
    expect(await log.at({ position: at(7) })).toMatchObject({ position: at(7), revision: 6 });
    const stop = new AbortController();
    const followed = await collected(
      log.follow({ type: "MessageSent" }, at(1_201), stop.signal, () => undefined),
      1,
    );
    expect(followed).toMatchObject([{ position: head }]);
  } finally {
    await kit.dispose();
  }
});

it("following goes on where it was when the log answers again, and says that it was away", async () => {
  const kit = await openLogKit();
  try {
    await writeLongConversation(kit.log, "g_short", 3);
    const away: string[] = [];
    const log = inspectionOf(awayFor(kit.log, 2));
    const stop = new AbortController();
    const follow = log.follow({ type: "MessageSent" }, noPosition, stop.signal, ({ message }) => away.push(message));
    expect((await collected(follow, 3)).map(({ revision }) => revision)).toEqual([2, 3, 4]);
    expect(away).toEqual(["no answer", "no answer"]);
  } finally {
    await kit.dispose();
  }
});
