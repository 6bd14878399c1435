import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { decodeEvent } from "../../../../src/domain/catalogue.js";
import { defaultSettings } from "../../../../src/domain/conversation/conversation.events.js";
import { unsealed } from "../../../../src/domain/kernel/sealed.js";
import { asPosition, type RecordedEvent } from "../../../../src/domain/kernel/stream.js";
import { openMongo, type Mongo } from "../../../../src/infra/engines/mongodb/connection.js";
import { checkpointsOf } from "../../../../src/infra/view-store/mongodb/checkpoints.js";
import { collectionOf } from "../../../../src/infra/view-store/mongodb/documents.js";
import { untilPassing } from "../../../../src/infra/view-store/mongodb/retry.js";
import {
  openMongoViews,
  type MongoViews,
  type MongoViewsOptions,
} from "../../../../src/infra/view-store/mongodb/view-store.js";
import { StoreUnavailable } from "../../../../src/projections/ports/away.js";
import { project } from "../../../../src/projections/registry.js";
import { assign, insert, raise } from "../../../../src/projections/view-change.js";
import { viewStoreContract } from "../../../contract/view-store.contract.js";
import { sealedValue } from "../../../../src/projections/views/sealed-value.js";
import { createWriter } from "../../../kit/arbitraries.js";
import { engine } from "../../../kit/engines.js";
import { sealedText } from "../../../kit/texts.js";
import { openTestDatabase, proxyTo, type Proxy, type TestDatabase } from "./views-kit.js";

const url = engine("PARLEY_MONGODB_URL");
const named = (text: string) => sealedValue(unsealed(text));
const openDatabase = () => openTestDatabase(url ?? "");

describe.skipIf(url === undefined)("MongoDB", () => {
  viewStoreContract("MongoDB", async () => {
    const mongo = await openDatabase();
    let views = await openMongoViews({ db: mongo.db, epoch: "e1" });
    return {
      store: views.store,
      reopen: async () => {
        await views.close();
        views = await openMongoViews({ db: mongo.db, epoch: "e1" });
        return views.store;
      },
      close: async () => {
        await views.close();
        await mongo.drop();
      },
    };
  });

  describe("what several processes share", () => {
    let mongo: TestDatabase;
    const opened: MongoViews[] = [];
    const open = async (options: Partial<MongoViewsOptions> = {}): Promise<MongoViews> => {
      const views = await openMongoViews({ db: mongo.db, ...options });
      opened.push(views);
      return views;
    };
    const at = (position: number) => ({ position: asPosition(position), epoch: "e1" });
    beforeEach(async () => {
      mongo = await openDatabase();
    });
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((views) => views.close()));
      await mongo.drop();
    });

    it("checkpoints go by partition, only forwards, and the store is where the slowest is", async () => {
      const [views, others] = [await open({ partitions: 3 }), await open({ partitions: 3 })];
      expect(await views.checkpoints.load()).toEqual([undefined, undefined, undefined]);
      await Promise.all([
        views.checkpoints.raise([0, 1], at(20)),
        others.checkpoints.raise([1], at(30)),
        others.checkpoints.raise([1], at(10)),
      ]);
      expect(await others.checkpoints.load()).toEqual([at(20), at(30), undefined]);
      expect(await views.store.checkpoint()).toBeUndefined();
      await views.checkpoints.raise([2], at(25));
      expect(await others.store.checkpoint()).toEqual(at(20));
    });

    it("views of before reactions had keys are left as they are, and built again beside them", async () => {
      type Named = { _id: string };
      const checkpoints = mongo.db.collection<Named & Record<string, unknown>>("views.checkpoints");
      await checkpoints.insertOne({ _id: "views", epoch: "e1", p0of1: 20 });
      await checkpoints.insertOne({ _id: "delivery", epoch: "e1", p0of1: 20 });
      const id = "g_1 0000000000000001 ❤\ufe0f alice";
      await mongo.db.collection<Named>("views.reactions").insertOne({ _id: id });
      const views = await open({ epoch: "e1" });
      expect(await views.checkpoints.load()).toEqual([undefined]);
      // What was delivered is not delivered again.
      const delivery = checkpointsOf(mongo.db, 1, () => undefined, "delivery");
      expect(await delivery.load()).toEqual([at(20)]);
      await views.store.apply(
        [assign("reactions", ["g_1", 1, "❤", "alice"], { present: false, shown: null }, 9)],
        at(9),
      );
      expect(await mongo.db.collection<Named>("views.reactions").countDocuments()).toBe(1);
      expect(await checkpoints.findOne({ _id: "views" })).toMatchObject({ p0of1: 20 });
    });

    it("a head has the deletions of its own time, though a reader meets a batch that is half written", async () => {
      const views = await open({ epoch: "e1" });
      const deletedFor = async () => (await views.store.reads.summaries("bob", ["g_1"]))[0]?.deletedAfter;
      const { log, write } = createWriter();
      const members = ["alice", "bob"].map((userId) => ({ userId, role: "member" as const }));
      const settings = defaultSettings;
      const profile = { kind: "group" as const, name: sealedText("G"), settings, createdBy: "alice", createdAt: 1 };
      const content = { alg: "none" as const, keyId: "", data: "{}" };
      const message = { messageId: "m-1", sequence: 1 };
      for (const event of [
        { type: "ConversationStarted" as const, conversationId: "g_1", home: "main", profile },
        { type: "MemberJoined" as const, members, visibleFrom: 1, sequence: 0, memberCount: 2, profile },
        { type: "MessageSent" as const, ...message, clientMessageId: "c-1", contentType: "text" as const, content },
        { type: "MessageDeleted" as const, ...message },
      ])
        write("conversation-g_1", "alice", event);
      const changesOf = (recorded: RecordedEvent) => project(decodeEvent(recorded), recorded);
      await views.write(log.slice(0, 3).flatMap(changesOf));
      const deletion = log.slice(3).flatMap(changesOf);
      // Messages are written before heads: its change is still to come to a reader who meets this.
      await views.write(deletion.filter(({ view }) => view === "messages"));
      expect(await deletedFor()).toBe(0);
      await views.write(deletion);
      expect(await deletedFor()).toBe(1);
    });

    it("another number of partitions starts where all of the former have been", async () => {
      const [two, three] = [await open({ partitions: 2 }), await open({ partitions: 3 })];
      await two.checkpoints.raise([0], at(50));
      await three.checkpoints.raise([1], at(7));
      expect(await three.checkpoints.load()).toEqual([undefined, at(7), undefined]);
      await two.checkpoints.raise([1], at(40));
      await three.checkpoints.raise([2], at(90));
      expect(await three.checkpoints.load()).toEqual([at(40), at(40), at(90)]);
    });

    it("views of another log are refused, named with both epochs, and stay as they are", async () => {
      const views = await open({ epoch: "e1" });
      await views.store.apply([], at(4));
      await expect(open({ epoch: "e2" })).rejects.toMatchObject({
        code: "VIEWS_UNUSABLE",
        message: expect.stringMatching(/epoch e1.*epoch e2.*mongosh/s) as string,
      });
      await expect(views.checkpoints.raise([0], { position: asPosition(9), epoch: "e2" })).rejects.toMatchObject({
        code: "VIEWS_UNUSABLE",
      });
      expect(await views.store.checkpoint()).toEqual(at(4));
    });

    it("many first writers of the same rows lose nothing", async () => {
      const stores = await Promise.all(Array.from({ length: 4 }, () => open()));
      await Promise.all(
        Array.from({ length: 40 }, async (_, n) => {
          await stores[n % stores.length]?.write([
            assign("users", ["alice"], { displayName: named(`name ${n}`) }, n),
            raise("conversations", ["g_1"], { headPos: n, activity: asPosition(1_000 - n) }),
          ]);
        }),
      );
      const row = await mongo.db.collection<{ _id: string }>(collectionOf("conversations")).findOne({ _id: "g_1" });
      expect(row).toMatchObject({ conversationId: "g_1", headPos: 39, activity: 1_000 });
      const user = await mongo.db.collection<{ _id: string }>(collectionOf("users")).findOne({ _id: "alice" });
      expect(user).toMatchObject({ displayName: { v: 39, x: named("name 39") } });
    });

    it("a duplicate key that the server reports is tried again, alone or in a bulk; a mistake is not", async () => {
      const collection = mongo.db.collection<{ _id: number }>("retried");
      await collection.insertOne({ _id: 1 });
      const problems: Error[] = [];
      const tell = (error: Error) => problems.push(error);
      let id = 0;
      await untilPassing(async () => {
        await collection.insertOne({ _id: (id += 1) });
      }, tell);
      id = 1;
      const next = () => [{ insertOne: { document: { _id: (id += 1) } } }];
      await untilPassing(async () => {
        await collection.bulkWrite(next(), { ordered: false });
      }, tell);
      expect(problems).toHaveLength(2);
      const mistake = untilPassing(async () => {
        await mongo.db.command({ noSuchCommand: 1 });
      }, tell);
      await expect(mistake).rejects.toMatchObject({ name: "MongoServerError" });
      expect(problems).toHaveLength(2);
      expect(await collection.find().sort({ _id: 1 }).toArray()).toEqual([{ _id: 1 }, { _id: 2 }, { _id: 3 }]);
    });

    it("the smallest cursors of a large group, which the index is asked for, are those of a small one", async () => {
      const { store } = await open();
      const cursors = { alice: [1, 1], bob: [7, 3], carol: [5, 4], gone: [2, 2] } as const;
      const groupOf = (id: string, memberCount: number) => [
        insert("conversations", [id], { kind: "group", home: "main", createdBy: "alice", createdAt: 1 }),
        assign("conversations", [id], { memberCount }, 0),
        ...Object.entries(cursors).flatMap(([userId, [deliveredUpTo, shownReadUpTo]]) => [
          assign("members", [id, userId], { present: userId !== "gone", role: "member", joinedAt: 1 }, 1),
          assign("members", [id, userId], { joinedPos: 1, membershipPosition: 1 }, 1),
          raise("members", [id, userId], { deliveredUpTo, shownReadUpTo }),
        ]),
      ];
      await store.apply([...groupOf("g_small", 3), ...groupOf("g_large", 150)], at(1));
      const rows = await store.reads.summaries("alice", ["g_large", "g_small"]);
      expect(rows.map(({ deliveredToAll, readByAll }) => [deliveredToAll, readByAll])).toEqual([
        [5, 3],
        [5, 3],
      ]);
    });

    it("a reader that waits is told as soon as another process has projected so far", async () => {
      const [gateway, projector] = [await open({ partitions: 2 }), await open({ partitions: 2 })];
      const waiting = [5, 5, 8].map((position) => gateway.awaitCaughtUp(asPosition(position), 60_000));
      const impatient = gateway.awaitCaughtUp(asPosition(9), 1);
      await projector.checkpoints.raise([0, 1], at(8));
      expect(await Promise.all(waiting)).toEqual([true, true, true]);
      expect(await impatient).toBe(false);
      expect(await gateway.awaitCaughtUp(asPosition(8), 0)).toBe(true);
    });

    it("a reader that waits when the views are closed is told no", async () => {
      const views = await open();
      const waiting = views.awaitCaughtUp(asPosition(5), 60_000);
      await views.close();
      expect(await waiting).toBe(false);
      expect(await views.awaitCaughtUp(asPosition(6), 60_000)).toBe(false);
    });
  });

  describe("a server that is away", () => {
    const unavailable = { name: "StoreUnavailable", code: "UNAVAILABLE" };
    const problems: Error[] = [];
    let database: TestDatabase;
    let proxy: Proxy;
    let mongo: Mongo;
    let views: MongoViews;
    beforeAll(async () => {
      database = await openDatabase();
      proxy = await proxyTo(url ?? "");
      mongo = await openMongo({ url: proxy.url, database: database.db.databaseName });
      views = await openMongoViews({ db: mongo.db, onProblem: (error) => problems.push(error) });
    });
    afterAll(async () => {
      await views.close();
      await mongo.close();
      await proxy.close();
      await database.drop();
    });

    it("rejects reads with UNAVAILABLE, keeps trying writes for a while, and needs nobody when it is back", async () => {
      const register = insert("users", ["alice"], { home: "main", registeredAt: 1 });
      await views.store.apply([register], { position: asPosition(1), epoch: "e1" });
      await proxy.close();
      await expect(views.store.reads.user("alice")).rejects.toMatchObject(unavailable);
      await expect(views.store.checkpoint()).rejects.toMatchObject(unavailable);
      const kept = views.write([assign("users", ["alice"], { displayName: named("Alice") }, 1)]);
      const waiting = views.awaitCaughtUp(asPosition(2), 60_000);
      await vi.waitUntil(() => problems.length >= 2, { timeout: 60_000 });
      await proxy.open();
      await kept;
      await views.checkpoints.raise([0], { position: asPosition(2), epoch: "e1" });
      expect(await waiting).toBe(true);
      expect(await views.store.reads.user("alice")).toMatchObject({ displayName: unsealed("Alice") });
      expect(problems.every((problem) => problem instanceof StoreUnavailable)).toBe(true);
    });

    it("a write that outlasts the retries rejects with UNAVAILABLE", async () => {
      await proxy.close();
      await expect(views.write([raise("conversations", ["g_1"], { headPos: 1 })])).rejects.toMatchObject(unavailable);
      await proxy.open();
      await views.write([raise("conversations", ["g_1"], { headPos: 1 })]);
    });

    it("is said when opening, without the password of the URL", async () => {
      await proxy.close();
      const refused = openMongo({ url: proxy.url.replace("//", "//parley:secret@") });
      await expect(refused).rejects.toMatchObject(unavailable);
      await expect(refused).rejects.not.toThrow("secret");
      await proxy.open();
    });
  });
});
