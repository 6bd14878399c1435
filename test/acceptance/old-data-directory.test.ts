/** A data directory that an older Parley made: this one starts on it, says the same, and goes on. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSqliteLogReader } from "../../src/infra/event-log/sqlite/file-reader.js";
import { copyOfGolden, goldenDirectories, madeBy, type Answer, type Question } from "../kit/golden-directory.js";
import { eventually } from "../kit/device.js";
import { startServerOn, type TestServer } from "../kit/server.js";
import { caller, text, wireDevice, type Caller, type Payload, type WireDevice } from "../kit/wire.js";

/** What changes with time and with each process, whatever the data are. */
const isVolatile = (key: string, value: unknown): boolean =>
  ["serverTime", "token", "next", "nextCursor", "current"].includes(key) ||
  (key === "lastSeen" && typeof value === "number");
const lasting = ({ status, body }: Answer): Answer => ({
  status,
  body: JSON.parse(JSON.stringify(body), (key, value: unknown) =>
    isVolatile(key, value) ? undefined : value,
  ) as Payload,
});

/** The devices that were registered. */
const asBefore = { query: "?device_type=mobile" };

describe.each(goldenDirectories)("a data directory of %s", (name) => {
  const made = madeBy(name);
  const { group, direct, messages } = made;
  const callers = new Map<string, Caller>();
  let server: TestServer;
  let alice: WireDevice;
  let bob: WireDevice;
  let carol: WireDevice;

  const connect = async (): Promise<void> => {
    for (const userId of ["alice", "bob", "carol", "dave", "erin"]) callers.set(userId, await caller(server, userId));
    await eventually(async () => (await get("alice", "GET /me")).status === 200, "the views are there");
    [alice, bob, carol] = await Promise.all([
      wireDevice(server, "alice", "phone", asBefore),
      wireDevice(server, "bob", "phone", asBefore),
      wireDevice(server, "carol", "phone", asBefore),
    ]);
  };
  const stop = async (): Promise<void> => {
    await Promise.all([alice, bob, carol].map((device) => device.close()));
    expect(await server.terminate()).toBe(0);
  };
  const get = async (userId: string, target: string, body?: object): Promise<Answer> => {
    const answer = await callers.get(userId)?.rest(target, body);
    if (answer === undefined) throw new Error(`nobody is ${userId}`);
    return { status: answer.status, body: answer.body };
  };
  const answerTo = ({ userId, target, body }: Question): Promise<Answer> => get(userId, target, body);
  const allAnswers = async () => {
    const answers: object[] = [];
    for (const question of made.asked)
      answers.push({ userId: question.userId, target: question.target, ...lasting(await answerTo(question)) });
    return answers;
  };
  const headOfLog = async (): Promise<number> => {
    const log = openSqliteLogReader(join(server.dataDir, "log.db"));
    try {
      return await log.head();
    } finally {
      log.close();
    }
  };
  const rowOf = async (who: string, sequence: number, conversationId = group): Promise<Payload | undefined> => {
    const page = `GET /conversations/${conversationId}/messages?after=${sequence - 1}&limit=1`;
    return ((await get(who, page)).body.messages as Payload[])[0];
  };

  beforeAll(async () => {
    server = await startServerOn(copyOfGolden(name));
    await connect();
  });
  afterAll(() => server.dispose());

  it("is read as it was: inbox, history, names, reactions, receipts, unread, sync", async () => {
    for (const { answer, ...question } of made.asked) {
      const now = lasting(await answerTo(question));
      expect(now, JSON.stringify(question)).toMatchObject(lasting(answer));
    }
  });

  it("goes on with its numbers, and knows every key", async () => {
    const [first] = messages.group;
    const repeat = { conversationId: group, clientMessageId: "g1", content: text("group 1") };
    expect((await bob.ask("message.send", repeat)).payload).toEqual({ ...first, duplicate: true });
    expect((await bob.ask("message.send", { ...repeat, content: text("other") })).payload).toMatchObject({
      code: "DUPLICATE_MESSAGE",
    });
    const friends = { name: "Friends", participantIds: ["bob", "carol", "dave"], clientRequestId: "friends" };
    expect(await get("alice", "POST /groups", friends)).toMatchObject({
      status: 200,
      body: { conversationId: group, name: "Old friends" },
    });
    const last = messages.group.length;
    const next = {
      conversationId: group,
      clientMessageId: "new",
      content: text("of today"),
      mentions: ["bob", "erin"],
    };
    const { payload } = await alice.ask("message.send", next);
    expect(payload).toMatchObject({ sequence: last + 1, duplicate: false });
    const frame = await carol.frame("message.new", { messageId: payload.messageId });
    expect(frame.payload).toMatchObject({ content: text("of today"), mentions: ["bob"], pos: payload.pos });
  });

  it("old messages are reacted to, edited and deleted as ever; the same again changes nothing", async () => {
    const about = (sequence: number, conversationId = group) => ({
      conversationId,
      messageId: messages[conversationId === group ? "group" : "direct"][sequence - 1]?.messageId,
    });
    const changed = expect.any(Number) as number;
    const reaction = (who: WireDevice, type: "add" | "remove", sequence: number, emoji: string, id = group) =>
      who.ask(`reaction.${type}`, { ...about(sequence, id), emoji });
    const before = await headOfLog();
    // Carol has added it, in either spelling it is the same; Bob has taken his back.
    expect((await reaction(carol, "add", 9, "🎉")).payload.pos).toBeUndefined();
    expect((await reaction(carol, "add", 1_000, "❤")).payload.pos).toBeUndefined();
    expect((await reaction(bob, "remove", 9, "👍")).payload.pos).toBeUndefined();
    expect(await headOfLog()).toBe(before);
    const sameText = { ...about(1, direct), content: text("direct 1, edited twice") };
    expect((await alice.ask("message.edit", sameText)).payload.pos).toBeUndefined();
    expect(await headOfLog()).toBe(before);

    expect((await reaction(bob, "add", 9, "🎉")).payload.pos).toEqual(changed);
    expect((await reaction(alice, "remove", 9, "👍")).payload.pos).toEqual(changed);
    expect((await reaction(alice, "remove", 1_000, "❤\ufe0f")).payload.pos).toEqual(changed);
    expect((await reaction(bob, "add", 2, "❤\ufe0f", direct)).payload.pos).toBeUndefined();
    expect((await reaction(bob, "remove", 4, "❤", direct)).payload.pos).toEqual(changed);
    expect(
      (await bob.ask("message.edit", { ...about(4), content: text("group 4, edited today") })).payload.pos,
    ).toEqual(changed);
    expect((await bob.ask("message.delete", about(10))).payload.pos).toEqual(changed);
    expect(await rowOf("alice", 9)).toMatchObject({
      reactions: [{ emoji: "🎉", count: 2, userIds: ["carol", "bob"] }],
    });
    expect(await rowOf("alice", 1_000)).toMatchObject({ reactions: [{ count: 1, userIds: ["carol"] }] });
    expect((await rowOf("alice", 4, direct))?.reactions).toMatchObject([
      { count: 1, userIds: ["alice"] },
      { emoji: "👍", count: 1, userIds: ["alice"] },
    ]);
    expect(await rowOf("carol", 4)).toMatchObject({ content: text("group 4, edited today") });
    expect(await rowOf("carol", 10)).not.toHaveProperty("content");
  });

  it("equal names change nothing, others do; a new member is told the old name", async () => {
    const path = `/conversations/${group}`;
    const same = { name: "Old friends", description: "Everybody who was there 🎉" };
    const sameAgain = async (): Promise<number> => {
      expect(await get("alice", `PATCH ${path}`, same)).toMatchObject({ status: 200, body: same });
      expect((await get("alice", "PUT /me", { displayName: "Alice Ångström" })).status).toBe(200);
      return headOfLog();
    };
    // A name that stands in the log in a form of before may be written once more, in today's.
    const after = await sameAgain();
    expect(await sameAgain()).toBe(after);
    const frank = await wireDevice(server, "frank");
    expect((await get("bob", `POST ${path}/members`, { userIds: ["frank"] })).status).toBe(200);
    const created = await frank.frame("conversation.created", { conversationId: group });
    expect(created.payload.conversation).toMatchObject({ ...same, memberCount: 5 });
    await frank.close();
    expect((await get("alice", `PATCH ${path}`, { name: "Older friends" })).status).toBe(200);
    await bob.frame("conversation.updated", { conversationId: group, changes: { name: "Older friends" } });
    expect((await get("dave", `GET ${path}`)).body.conversation).toMatchObject({ ...same, name: "Older friends" });
    expect((await get("alice", "PUT /me", { displayName: "Alice" })).status).toBe(200);
    expect((await get("bob", "GET /users/alice")).body).toMatchObject({ displayName: "Alice" });
  });

  it("a restart, and views and snapshots that are made anew, say the same", async () => {
    const answers = await allAnswers();
    await stop();
    await server.start();
    await connect();
    expect(await allAnswers()).toEqual(answers);
    await stop();
    for (const file of ["views.db", "snapshots.db"])
      for (const end of ["", "-wal", "-shm"]) rmSync(join(server.dataDir, file + end), { force: true });
    await server.start();
    await connect();
    expect(await allAnswers()).toEqual(answers);
  });
});
