import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { decodeEvent } from "../../../../src/domain/catalogue.js";
import type { ViewReads, ViewStore } from "../../../../src/projections/ports/view-store.js";
import { createQueries } from "../../../../src/projections/queries/create.js";
import type { SyncRequest } from "../../../../src/projections/queries/queries.js";
import { project } from "../../../../src/projections/registry.js";
import { createRounds } from "../../../kit/rounds.js";
import { coreStore, temporaryDirectory } from "../../../kit/sqlite-views.js";
import { sideForAll, right, send, startGroup, type ReadSide } from "../../delivery/delivery-kit.js";
import { asPosition, noPosition } from "../../../../src/domain/kernel/stream.js";

/** Over a network each read that waits for another one is a round trip of its own. */
let side: ReadSide;
sideForAll((opened) => (side = opened));

const actor = { userId: "bob", deviceId: "phone" };

const openCounted = () => {
  const directory = temporaryDirectory();
  const store = coreStore(join(directory.path, "views.db"));
  const rounds = createRounds();
  const reads = Object.fromEntries(
    Object.entries(store.reads).map(([name, read]) => [name, rounds.wrap(read as () => Promise<unknown>)]),
  ) as unknown as ViewReads;
  const counted: ViewStore = { ...store, reads };
  let reached = 0;
  const catchUp = async (): Promise<void> => {
    const events = await side.log.readAll(asPosition(reached), 10_000);
    reached = events.at(-1)?.position ?? reached;
    const changes = events.flatMap((recorded) => project(decodeEvent(recorded), recorded));
    await store.apply(changes, { position: asPosition(reached), epoch: side.epoch });
  };
  const queries = createQueries({
    source: { ...side.log, readStream: rounds.wrap(side.log.readStream) },
    views: {
      store: counted,
      awaitCaughtUp: () => Promise.resolve(true),
      reached: () => asPosition(reached),
      opened: noPosition,
      problem: () => undefined,
    },
    ...{ open: side.sealing.open, epoch: side.epoch, clock: Date.now },
  });
  const sync = async (request: SyncRequest) => {
    await catchUp();
    const { answer, ...found } = await rounds.during(() => queries.sync(actor, request, asPosition(reached)));
    return { answer: right(answer), ...found };
  };
  const history = async (conversationId: string) =>
    rounds.during(() => queries.history(actor, conversationId, { limit: 50 }));
  return {
    ...{ sync, history },
    close: () => {
      store.close();
      directory.remove();
    },
  };
};

describe("reads that wait for one another", () => {
  it("are three for one conversation's changes, and two for a page of history", async () => {
    const views = openCounted();
    const conversationId = await startGroup(side, "alice", ["bob"]);
    await Promise.all(Array.from({ length: 30 }, (_, index) => send(side, conversationId, "alice", `${index}`)));
    const healed = await views.sync({ cursors: { [conversationId]: 20 }, only: true, limit: 1_000 });
    expect(healed.answer.conversations).toMatchObject([{ pos: 31, hasMore: false }]);
    // What the conversation is; its events; their messages as they are by now.
    expect(healed.rounds).toBe(3);
    expect((await views.history(conversationId)).rounds).toBe(2);
    views.close();
  });

  it("are as few for fifty conversations as for sixteen at a time", async () => {
    const views = openCounted();
    const ids = await Promise.all(Array.from({ length: 50 }, () => startGroup(side, "alice", ["bob"])));
    const { token = "" } = (await views.sync({})).answer;
    await Promise.all(ids.map((id) => send(side, id, "alice", "news")));
    const { answer, rounds, widest } = await views.sync({ token, limit: 1_000 });
    expect(answer.conversations.map(({ changes }) => changes.length)).toEqual(ids.map(() => 1));
    expect(answer.token).toBeDefined();
    // The list and its conversations; then for each sixteen where they begin, their events, their messages; and who
    // was erased.
    expect(rounds).toBeLessThanOrEqual(2 + 4 * 3 + 1);
    expect(widest).toBeLessThanOrEqual(16);
    views.close();
  });
});
