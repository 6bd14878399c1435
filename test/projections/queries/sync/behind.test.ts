import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeEvent } from "../../../../src/domain/catalogue.js";
import { E } from "../../../../src/domain/kernel/fp.js";
import { createCatchUp } from "../../../../src/gateway/access/catch-up.js";
import { createQueries } from "../../../../src/projections/queries/create.js";
import type { SyncRequest, SyncResult } from "../../../../src/projections/queries/queries.js";
import { project } from "../../../../src/projections/registry.js";
import { createApp } from "../../../gateway/session/dispatch-kit.js";
import { randomFrom } from "../../../kit/random.js";
import { seed } from "../../../kit/seed.js";
import { coreStore, temporaryDirectory } from "../../../kit/sqlite-views.js";
import { by, sideForAll, right, send, startGroup, type ReadSide } from "../../delivery/delivery-kit.js";
import { asPosition, noPosition } from "../../../../src/domain/kernel/stream.js";

/** A real log and real keys; views that are projected as far as the test says, and no further. */
let side: ReadSide;
sideForAll((opened) => (side = opened));

const openViewsBehind = async () => {
  const directory = temporaryDirectory();
  const store = coreStore(join(directory.path, "views.db"));
  let reached = 0;
  /** Up to the position, or the log's head. */
  const projectTo = async (position = Infinity): Promise<void> => {
    const events = await side.log.readAll(asPosition(reached), 10_000);
    const wanted = events.filter((event) => event.position <= position);
    const last = wanted.at(-1);
    if (last === undefined) return;
    const changes = wanted.flatMap((recorded) => project(decodeEvent(recorded), recorded));
    await store.apply(changes, { position: last.position, epoch: side.epoch });
    reached = last.position;
    if (wanted.length === events.length && events.length === 10_000) await projectTo(position);
  };
  const queries = createQueries({
    source: side.log,
    // Views that never come: a reader that needs the head waits for ever.
    views: {
      store,
      awaitCaughtUp: () => new Promise(() => undefined),
      reached: () => asPosition(reached),
      opened: noPosition,
      problem: () => undefined,
    },
    ...{ open: side.sealing.open, epoch: side.epoch, clock: Date.now },
  });
  await projectTo();
  return {
    queries,
    projectTo,
    reached: () => reached,
    close: () => {
      store.close();
      directory.remove();
    },
  };
};

type Behind = Awaited<ReturnType<typeof openViewsBehind>>;

const bob = { userId: "bob", deviceId: "phone" };
const positionOf = async (back: number): Promise<number> => (await side.log.head()) - back;
const ahead = async ({ queries }: Behind, request: SyncRequest, userId = "bob", own = 0) =>
  queries.syncAhead({ userId, deviceId: "phone" }, request, await side.log.head(), asPosition(own));
const posIn = (result: SyncResult | undefined) =>
  result?.conversations.map(({ changes, pos, hasMore }) => [changes.length, pos, hasMore]);

describe("a device that is behind, beside views that never reach the head", () => {
  let behind: Behind;
  let conversationId: string;
  beforeAll(async () => {
    behind = await openViewsBehind();
    conversationId = await startGroup(side, "alice", ["bob"]);
    await Promise.all(Array.from({ length: 250 }, (_, index) => send(side, conversationId, "alice", `${index}`)));
    // The head is message 250 at pos 251; the views know up to pos 231.
    await behind.projectTo(await positionOf(20));
  });
  afterAll(() => {
    behind.close();
  });

  it("gets every page that is full, through the gateway and at once; the last one waits for the head", async () => {
    const catchUp = createCatchUp({ ...createApp().app, head: side.log.head, queries: behind.queries });
    const cursors = (pos: number) => ({ cursors: { [conversationId]: pos }, only: true, limit: 100 });
    const first = right(await catchUp.sync(bob, cursors(-1)));
    expect(posIn(first)).toEqual([[100, 100, true]]);
    expect(posIn(right(await catchUp.sync(bob, cursors(100))))).toEqual([[100, 200, true]]);
    // 31 more are known, which is no full page: what the views lack belongs to it.
    expect(await ahead(behind, cursors(200))).toBeUndefined();
    expect(await ahead(behind, { cursors: { [conversationId]: 200 }, only: true, limit: 30 })).toMatchObject({
      conversations: [{ pos: 230, hasMore: true }],
    });
  });

  it("is told nothing that views which are behind cannot know: no reset, nobody never joined, no own write missing", async () => {
    const unknown = await startGroup(side, "alice", ["bob"]);
    const named = (cursors: Record<string, number>) => ahead(behind, { cursors, only: true, limit: 10 });
    expect(posIn(await named({ [conversationId]: 1 }))).toEqual([[10, 11, true]]);
    // Live frames have brought the device beyond these views.
    expect(await named({ [conversationId]: 240 })).toBeUndefined();
    expect(await named({ [conversationId]: 1, [unknown]: 1 })).toBeUndefined();
    const own = await ahead(
      behind,
      { cursors: { [conversationId]: 1 }, only: true, limit: 10 },
      "bob",
      behind.reached() + 1,
    );
    expect(own).toBeUndefined();
    // A whole account has an end, and a token.
    expect(await ahead(behind, {})).toBeUndefined();
  });
});

/** What a device makes of answers: changes by pos, each conversation's cursors, and which came cut. */
const createDevice = () => {
  const changes = new Map<string, Map<number, string>>();
  const cursors = new Map<string, number>();
  const read = new Map<string, number>();
  const cut = new Set<string>();
  return {
    read,
    cut,
    cursorOf: (id: string) => cursors.get(id) ?? -1,
    changesOf: (id: string) => [...(changes.get(id) ?? [])].toSorted(([a], [b]) => a - b).map(([, type]) => type),
    apply: (answer: SyncResult): void => {
      for (const { conversation, state } of answer.newConversations) {
        cursors.set(conversation.conversationId, conversation.pos);
        read.set(conversation.conversationId, state.readUpTo);
      }
      for (const { conversationId, changes: news, pos, hasMore, state, reset } of answer.conversations) {
        expect(reset).toBe(false);
        const known = changes.get(conversationId) ?? new Map<number, string>();
        changes.set(conversationId, known);
        for (const { type, payload } of news) known.set(Number(payload.pos), type);
        cursors.set(conversationId, Math.max(pos, cursors.get(conversationId) ?? -1));
        read.set(conversationId, Math.max(state.readUpTo, read.get(conversationId) ?? 0));
        if (hasMore) cut.add(conversationId);
        else cut.delete(conversationId);
      }
    },
  };
};

describe("pages", () => {
  it("end, however busy the account is: what moves again and again comes twice at most", async () => {
    const views = await openViewsBehind();
    const [creator, reader] = ["carol", "dave"];
    const ids = await Promise.all(Array.from({ length: 4 }, () => startGroup(side, creator, [reader])));
    await views.projectTo();
    const request = async (next?: string) => {
      await views.projectTo();
      const head = await side.log.head();
      const body = { token, limit: 400, ...(next === undefined ? {} : { next }) };
      return right(await views.queries.sync({ userId: reader, deviceId: "phone" }, body, head));
    };
    const { token = "" } = right(
      await views.queries.sync({ userId: reader, deviceId: "phone" }, {}, await side.log.head()),
    );
    const sendToAll = (count: number) =>
      Promise.all(ids.flatMap((id) => Array.from({ length: count }, () => send(side, id, creator, "more"))));
    await sendToAll(450);
    const entries = new Map<string, number>();
    let pages = 0;
    for (let next: string | undefined, more = true; more; more = next !== undefined) {
      const page = await request(next);
      pages += 1;
      expect(pages).toBeLessThan(8);
      for (const { conversationId } of page.conversations)
        entries.set(conversationId, (entries.get(conversationId) ?? 0) + 1);
      next = page.next;
      await sendToAll(1);
    }
    expect([...entries.keys()].toSorted()).toEqual(ids.toSorted());
    for (const count of entries.values()) expect(count).toBeLessThanOrEqual(2);
    views.close();
  });

  it(`lose nothing, though views are behind by another distance at each of them (seed ${seed})`, async () => {
    const random = randomFrom(seed);
    const views = await openViewsBehind();
    const [creator, reader] = ["erin", "frank"];
    const actor = { userId: reader, deviceId: "phone" };
    const ids = await Promise.all(Array.from({ length: 24 }, () => startGroup(side, creator, [reader])));
    await views.projectTo();
    const device = createDevice();
    const first = right(await views.queries.sync(actor, {}, await side.log.head()));
    device.apply(first);
    let { token = "" } = first;
    let [answeredAhead, asked] = [0, 0];
    const happen = (count: number, round: number): Promise<unknown> =>
      Promise.all(
        Array.from({ length: count }, () => {
          const conversationId = random.pick(ids);
          if (!random.chance(1 / 8)) return send(side, conversationId, creator, "x");
          const readUpTo = 1 + random.int(1 + round * 20);
          return side.commands.advanceReceipts({ conversationId, readUpTo }, by(reader)).then(right);
        }),
      );
    /** As the gateway: ahead where that is possible, else at the head. */
    const ask = async (request: SyncRequest): Promise<SyncResult> => {
      const head = await side.log.head();
      await views.projectTo(Math.max(views.reached(), head - random.int(120)));
      asked += 1;
      const early = await views.queries.syncAhead(actor, request, head, noPosition);
      if (early !== undefined) {
        answeredAhead += 1;
        return early;
      }
      await views.projectTo(head);
      return right(await views.queries.sync(actor, request, head));
    };
    for (const id of ids) await send(side, id, creator, "first");
    for (let round = 0; round < 5; round++) {
      await happen(round === 4 ? 0 : 2_400, round);
      if (round === 4) await views.projectTo();
      let next: string | undefined;
      do {
        const answer = await ask({ token, limit: 110, ...(next === undefined ? {} : { next }) });
        device.apply(answer);
        next = answer.next;
        if (next === undefined) token = answer.token ?? "";
        if (round < 4) await happen(20, round);
      } while (next !== undefined);
      while (device.cut.size > 0) {
        const cursors = Object.fromEntries([...device.cut].map((id) => [id, device.cursorOf(id)]));
        device.apply(await ask({ cursors, only: true, limit: 110 }));
      }
    }
    expect(answeredAhead).toBeGreaterThan(3);
    expect(answeredAhead).toBeLessThan(asked);
    for (const id of ids) {
      const [summary] = await views.queries
        .summary(actor, id)
        .then((answer) => (E.isRight(answer) ? [answer.right] : []));
      expect(device.cursorOf(id)).toBe(summary?.conversation.pos);
      // Every change after the first sync, which was at pos 1, without a hole.
      expect(device.changesOf(id)).toEqual(Array.from({ length: device.cursorOf(id) - 1 }, () => "message.new"));
      expect(device.read.get(id)).toBe(summary?.state.readUpTo);
    }
    views.close();
  });
});
