import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eraseUserIn } from "../../src/commands/erase.js";
import { activeHolds, holdsOfUser, readHolds, releaseHoldIn, setHoldIn } from "../../src/commands/holds.js";
import type { ByOperator } from "../../src/domain/kernel/by.js";
import { contextOf } from "../kit/given.js";
import { commandsOn, openLogKit, type LogKit } from "../kit/log.js";

const by: ByOperator = { kind: "operator", userId: "root" };
const ids = { uuid: randomUUID };
let kit: LogKit;
let now = 1_000;
beforeEach(async () => {
  now = 1_000;
  kit = await openLogKit();
});
afterEach(() => kit.dispose());

const set = (name: string, what: { users?: string[]; conversations?: string[]; until?: number }) =>
  setHoldIn(kit.log, () => now, ids)({ case: name, users: [], conversations: [], reason: "court", ...what }, by);
const release = (name: string) => releaseHoldIn(kit.log, () => now, ids)({ case: name, reason: "settled" }, by);
const casesOf = async (userId: string) => (await holdsOfUser(kit.log, userId, now)).map((hold) => hold.set.case);

/** A group that alice has made, bob has left and carol is in; dave is in none. */
const groupOfThree = async (): Promise<string> => {
  const commands = commandsOn(kit);
  for (const userId of ["alice", "bob", "carol", "dave"]) await commands.registerDevice({}, contextOf(userId));
  const started = await commands.startGroup({ name: "Tea", participantIds: ["bob", "carol"] }, contextOf("alice"));
  if (started._tag === "Left") throw new Error(started.left.message);
  const { conversationId } = started.right;
  await commands.leaveConversation({ conversationId, userId: "bob" }, contextOf("bob"));
  return conversationId;
};

describe("a hold", () => {
  it("of a conversation holds all who ever were members of it, one of a user that user", async () => {
    const conversationId = await groupOfThree();
    await set("group", { conversations: [conversationId] });
    await set("person", { users: ["dave"] });
    expect(await casesOf("alice")).toEqual(["group"]);
    expect(await casesOf("bob")).toEqual(["group"]);
    expect(await casesOf("dave")).toEqual(["person"]);
    await release("group");
    expect(await casesOf("bob")).toEqual([]);
  });

  it("ends when it is released and when its time is over, and its case may have another then", async () => {
    await groupOfThree();
    await set("a", { users: ["alice"], until: 2_000 });
    await expect(set("a", { users: ["bob"] })).rejects.toMatchObject({ code: "HOLD_EXISTS" });
    now = 2_000;
    expect(await casesOf("alice")).toEqual([]);
    await expect(release("a")).rejects.toMatchObject({ code: "NO_SUCH_HOLD" });
    await set("a", { users: ["bob"] });
    expect(await casesOf("bob")).toEqual(["a"]);
    expect((await readHolds(kit.log)).map((hold) => activeHolds([hold], now).length)).toEqual([0, 1]);
  });

  it("of a user who was erased is refused, since it would hold nothing", async () => {
    await groupOfThree();
    await eraseUserIn(kit.log, () => now, ids)({ userId: "bob", reason: "asked", by });
    await expect(set("x", { users: ["bob"] })).rejects.toMatchObject({ code: "ERASED" });
    await set("x", { users: ["alice"] });
  });

  it("of nobody that the log knows is refused", async () => {
    await groupOfThree();
    await expect(set("x", { users: ["alise"] })).rejects.toMatchObject({ code: "NO_SUCH_SUBJECT" });
    await expect(set("x", { conversations: ["g_nowhere"] })).rejects.toMatchObject({ code: "NO_SUCH_SUBJECT" });
    expect(await readHolds(kit.log)).toEqual([]);
  });

  it("is set once, whoever else sets one of that case at the same moment", async () => {
    await groupOfThree();
    const settled = await Promise.allSettled([1, 2, 3, 4].map(() => set("same", { users: ["alice"] })));
    expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await readHolds(kit.log)).toHaveLength(1);
  });
});
