import { afterEach, beforeEach, describe, expect, test } from "vitest";
import fc from "fast-check";
import type { Client } from "../../client/index.js";
import { memoryOutboxStore } from "../../client/index.js";
import { createAccount } from "../../client/account.js";
import type { ConversationState } from "../../client/conversation.js";
import type { ChangeFrame, Message, SyncEntry } from "../../client/protocol.js";
import { withSeed } from "../kit/seed.js";
import { history, id, inOrder } from "./histories.js";
import { online, testClient, texts, until } from "./kit.js";
import { created, me, startScriptedServer, type ScriptedServer } from "./scripted-server.js";

const erasedUser = "bob";

const sendersIn = (frames: readonly ChangeFrame[]): ReadonlyMap<number, string> =>
  new Map(
    frames.flatMap(({ type, payload }) =>
      type === "message.new" ? [[payload.sequence, payload.senderId] as const] : [],
    ),
  );

/** Only what a server says: authors edit, and nobody takes away a reaction that is not there, or adds one twice. */
const legal = (frames: readonly ChangeFrame[]): readonly ChangeFrame[] => {
  const there = new Set<string>();
  const senderOf = sendersIn(frames);
  return frames.map((frame) => {
    if (frame.type !== "message.updated") return frame;
    if (frame.payload.content !== undefined)
      return { ...frame, payload: { ...frame.payload, by: senderOf.get(frame.payload.sequence) ?? "" } };
    if (frame.payload.reaction === undefined) return frame;
    const { reaction, ...payload } = frame.payload;
    const key = `${payload.sequence} ${reaction.userId}`;
    const isLegal = there.has(key) === (reaction.removed === true);
    if (isLegal && reaction.removed === true) there.delete(key);
    else if (isLegal) there.add(key);
    return isLegal ? frame : { ...frame, payload };
  });
};

/** What the server says of a change once the user is erased. */
const saidAfter = (frame: ChangeFrame, senderOf: ReadonlyMap<number, string>): ChangeFrame => {
  if (frame.type === "message.new" && frame.payload.senderId === erasedUser) {
    const payload = { ...frame.payload, deletedAt: frame.payload.timestamp, erased: true as const };
    delete payload.content;
    return { ...frame, payload };
  }
  if (frame.type !== "message.updated") return frame;
  const payload = { ...frame.payload };
  if (payload.reaction?.userId === erasedUser) delete payload.reaction;
  if (payload.content === undefined || senderOf.get(payload.sequence) !== erasedUser) return { ...frame, payload };
  delete payload.content;
  return { ...frame, payload: { ...payload, deletedAt: frame.payload.timestamp, erased: true } };
};

/** No reactions are none, whether there were some or not. */
const withoutEmpty = ({ reactions, ...message }: Message): Message =>
  reactions === undefined || reactions.length === 0 ? message : { ...message, reactions };

/** A client's account of one conversation, fed frame by frame. */
const accountOf = () => {
  const account = createAccount(
    () => undefined,
    (error) => {
      throw error;
    },
  );
  account.become(me);
  const live = (frame: ChangeFrame) => account.apply(id, { kind: "live", frame });
  const state = (): ConversationState => {
    const found = account.conversations.get(id);
    if (found === undefined) throw new Error("there is no conversation");
    return { ...found, messages: found.messages.map(withoutEmpty), unreadEstimated: false };
  };
  return { ...account, live, state };
};

describe("what a client has of a user who was erased", () => {
  test("is what a fresh sync brings, whenever it hears of it, and whatever was still on its way", () => {
    fc.assert(
      fc.property(history, fc.nat(), fc.infiniteStream(fc.boolean()), (said, cut, inFlight) => {
        const frames = legal(said);
        const senderOf = sendersIn(frames);
        const fresh = accountOf();
        for (const frame of frames) fresh.live(saidAfter(frame, senderOf));
        const told = accountOf();
        const at = cut % (frames.length + 1);
        for (const [index, frame] of frames.entries()) {
          if (index === at) told.erase(erasedUser);
          const isOld = index < at || inFlight.next().value === true;
          told.live(isOld ? frame : saidAfter(frame, senderOf));
        }
        if (at === frames.length) told.erase(erasedUser);
        expect(told.state()).toEqual(fresh.state());
        // Again is once, and a page of history that was read before says nothing new.
        told.erase(erasedUser);
        told.apply(id, { kind: "history", messages: inOrder(frames).messages });
        expect(told.state()).toEqual(fresh.state());
        expect(JSON.stringify(told.state())).not.toMatch(/"senderId":"bob"[^}]*"content"/);
        // What was erased counts as it did.
        expect(told.state().inbox.unread).toBe(inOrder(frames).inbox.unread);
      }),
      withSeed({ numRuns: 1000 }),
    );
  });

  test("is gone from previews, from frames that wait behind a gap, and from what a sync or a page says later", () => {
    const account = accountOf();
    const message = (sequence: number, pos: number): ChangeFrame => ({
      type: "message.new",
      payload: {
        ...{ messageId: `m${sequence}`, conversationId: id, sequence, pos, senderId: erasedUser, timestamp: pos },
        ...{ content: { type: "text", text: `secret ${sequence}` }, mentions: ["alice"] },
      },
    });
    account.live(created(id, 1));
    account.live(message(1, 2));
    account.live(message(3, 4));
    account.erase(erasedUser);
    expect(account.state()).toMatchObject({ inbox: { unread: 1, lastMessage: { preview: "", deleted: true } } });
    const state = { ...inOrder([created(id, 1), message(1, 2), message(2, 3)]).inbox };
    const entry: SyncEntry = {
      conversationId: id,
      changes: [message(2, 3)],
      pos: 3,
      hasMore: false,
      reset: false,
      state,
    };
    account.apply(id, { kind: "entry", entry });
    account.apply(id, { kind: "history", messages: [{ ...(message(4, 5).payload as Message), updatedPos: 5 }] });
    expect(account.state().messages.map(({ sequence, deletedAt, erased }) => [sequence, deletedAt, erased])).toEqual([
      [1, 2, true],
      [2, 3, true],
      [3, 4, true],
      [4, 5, true],
    ]);
    expect(JSON.stringify(account.state())).not.toMatch(/secret|mentions/);
  });
});

describe("a client", () => {
  let server: ScriptedServer;
  let client: Client | undefined;
  const textsNow = () => (client === undefined ? [] : texts(client, "g_1"));
  beforeEach(async () => {
    server = await startScriptedServer();
    server.start("g_1");
  });
  afterEach(async () => {
    client?.close();
    await server.stop();
  });

  test("drops what an erased user wrote when it is told live, and says so", async () => {
    client = testClient(server.url);
    const heard: string[] = [];
    client.on("erased", ({ userId }) => void heard.push(userId));
    client.connect();
    await online(client);
    server.say("g_1", "bob", "secret");
    server.say("g_1", "carol", "stays");
    await until(client, () => textsNow().length === 2);
    server.push({ type: "user.erased", payload: { userId: "bob", timestamp: 1 } });
    server.say("g_1", "carol", "after");
    await until(client, () => textsNow().length === 3);
    expect(texts(client, "g_1")).toEqual(["", "stays", "after"]);
    expect(heard).toEqual(["bob"]);
    expect([...client.erased]).toEqual(["bob"]);
  });

  test("drops it when a sync names the user, having been away", async () => {
    client = testClient(server.url);
    client.connect();
    await online(client);
    server.say("g_1", "bob", "secret");
    await until(client, () => textsNow().length === 1);
    server.erased = ["bob"];
    server.cutAll();
    await until(client, () => client?.connection().kind === "waiting");
    await online(client);
    expect(texts(client, "g_1")).toEqual([""]);
  });

  const forgets = async (happens: () => void): Promise<void> => {
    const storage = memoryOutboxStore();
    server.faults.refuse = () => ({ code: "UNAVAILABLE", retryAfter: 60 });
    client = testClient(server.url, { storage });
    const dropped = new Promise((resolve) => client?.on("dropped", resolve));
    client.connect();
    await online(client);
    server.say("g_1", "bob", "hello");
    await until(client, () => textsNow().length === 1);
    const { accepted } = client.send("g_1", { type: "text", text: "never sent" });
    await until(client, () => client?.conversations.get("g_1")?.pending.length === 1);
    expect(await storage.load()).toHaveLength(1);
    happens();
    expect(await dropped).toEqual({ reason: "erased" });
    await expect(accepted).rejects.toMatchObject({ code: "UNAUTHORIZED" });
    expect(client.connection()).toMatchObject({ kind: "closed", cause: { code: "UNAUTHORIZED" } });
    expect([...client.conversations]).toEqual([]);
    expect(await storage.load()).toEqual([]);
  };

  test("of a user who is erased forgets everything, what it had stored too, and closes", () =>
    forgets(() => {
      server.push({ type: "user.erased", payload: { userId: me.userId, timestamp: 1 } });
    }));

  test("that connects again as its user is erased does so by the error before 4401", () =>
    forgets(() => {
      const details = [{ field: "userId", expected: "a user who was not erased" }];
      server.push({ type: "error", payload: { code: "UNAUTHORIZED", message: "This user was erased.", details } });
      server.closeAll(4401);
    }));

  test("that was away when its user was erased does so when the server says why it refuses", () =>
    forgets(() => {
      server.faults.upgradeStatus = 401;
      server.faults.refusal = { details: [{ field: "userId", expected: "a user who was not erased" }] };
      server.cutAll();
    }));
});
