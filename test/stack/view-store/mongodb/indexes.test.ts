import { MongoClient, type CommandStartedEvent } from "mongodb";
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeEvent } from "../../../../src/domain/catalogue.js";
import { indexes } from "../../../../src/infra/view-store/mongodb/indexes.js";
import { openMongoViews, type MongoViews } from "../../../../src/infra/view-store/mongodb/view-store.js";
import { project } from "../../../../src/projections/registry.js";
import { assign, type ViewName } from "../../../../src/projections/view-change.js";
import { logOf } from "../../../kit/arbitraries.js";
import { engine } from "../../../kit/engines.js";
import { dumpViews } from "../../../kit/views.js";
import { asPosition } from "../../../../src/domain/kernel/stream.js";
import { sealedValue } from "../../../../src/projections/views/sealed-value.js";
import { emojiOf } from "../../../kit/reactions.js";

const url = engine("PARLEY_MONGODB_URL");

type Filter = Readonly<Record<string, unknown>>;
type Read = { readonly view: ViewName; readonly filter: Filter; readonly sort: readonly string[] };

/** What a read's command asks for first: the filter of a find, the first stage of an aggregate. */
const readOf = ({ command }: CommandStartedEvent): Read | undefined => {
  const { find, aggregate, filter, sort, pipeline } = command as {
    readonly find?: string;
    readonly aggregate?: string;
    readonly filter?: Filter;
    readonly sort?: Filter;
    readonly pipeline?: readonly { readonly $match?: Filter }[];
  };
  const [, view] = /^views\.(\w+?)(?:\.\d+)?$/.exec(find ?? aggregate ?? "") ?? [];
  if (view === undefined || view === "checkpoints") return undefined;
  // The driver keeps a command's sort as a Map.
  const sorted = sort instanceof Map ? [...sort.keys()].map(String) : Object.keys(sort ?? {});
  return { view: view as ViewName, filter: filter ?? pipeline?.[0]?.$match ?? {}, sort: sorted };
};

/** Why nothing serves the filter; undefined when the ids do, or an index by its first two fields. */
const unserved = (view: ViewName, filter: Filter, sort: readonly string[]): string | undefined => {
  const ofView = (indexes[view] ?? []).map(({ key }) => Object.keys(key));
  const fields = Object.keys(filter);
  if (fields.includes("_id")) {
    const misleading = fields.filter((field) => field !== "_id" && ofView.some(([first]) => first === field));
    return misleading.length === 0 ? undefined : `${misleading.join()} leads an index, beside _id`;
  }
  const served = ofView.some((key) => {
    const used = key.findIndex((field) => !fields.includes(field));
    const prefix = used === -1 ? key.length : used;
    // Behind what is asked for, or by the last of it, where that is a range.
    const sortsOn = [prefix, prefix - 1].some((first) => sort.every((field, index) => key[first + index] === field));
    return prefix >= Math.min(2, key.length) && sortsOn;
  });
  if (served) return undefined;
  // A planner that does not look into branches would take it, and walk through all that it has.
  const tempting = fields.filter((field) => ofView.some(([first]) => first === field));
  if (tempting.length > 0) return `${tempting.join()} leads an index that the filter has no more of`;
  const branches = (filter.$or ?? []) as readonly Filter[];
  if (branches.length === 0) return `no index of ${ofView.map((key) => key.join()).join(" | ")}`;
  return branches.map((branch) => unserved(view, { ...branch }, sort)).find((why) => why !== undefined);
};

describe.skipIf(url === undefined)("reads of MongoDB's views", () => {
  let client: MongoClient;
  let views: MongoViews;
  const started: CommandStartedEvent[] = [];
  beforeAll(async () => {
    client = await new MongoClient(url ?? "", { monitorCommands: true }).connect();
    client.on("commandStarted", (event) => void started.push(event));
    const db = client.db(`parley-test-${randomUUID()}`);
    views = await openMongoViews({ db, epoch: "e1" });
  });
  afterAll(async () => {
    await views.close();
    await client.db(started.find(({ commandName }) => commandName === "createIndexes")?.databaseName).dropDatabase();
    await client.close();
  });

  it("ask first for what the order of ids or an index has, and for nothing that leads a planner elsewhere", async () => {
    const send = (user: "alice" | "bob") => ({ do: "send" as const, in: "g_one" as const, user, reply: false });
    const log = logOf([
      ...[send("alice"), send("bob"), { ...send("alice"), in: "d_direct" as const }],
      ...[
        { ...send("bob"), in: "d_direct" as const },
        { ...send("alice"), in: "d_direct" as const },
      ],
      { do: "receipt", in: "g_one", user: "bob", share: 1, read: true },
      ...[send("bob"), send("alice")],
    ]);
    const { emoji, digest } = emojiOf("👍");
    const users = Array.from({ length: 60 }, (_, index) => `user-${index}`);
    await views.store.apply(
      [
        ...log.flatMap((recorded) => project(decodeEvent(recorded), recorded)),
        // More users of a reaction than are named, and a group whose cursors are asked of the index.
        ...users.map((userId, pos) =>
          assign("reactions", ["g_one", 1, digest, userId], { present: true, shown: sealedValue(emoji) }, pos),
        ),
        assign("messages", ["g_one", 1], { editedAt: 1 }, 99),
      ],
      { position: asPosition(99), epoch: "e1" },
    );
    started.length = 0;
    await dumpViews(views.store.reads);
    await views.store.apply([assign("conversations", ["g_one"], { memberCount: 101 }, 99)], {
      position: asPosition(99),
      epoch: "e1",
    });
    await dumpViews(views.store.reads);
    const reads = started.flatMap((event) => readOf(event) ?? []);
    expect(new Set(reads.map(({ view }) => view))).toEqual(
      new Set(["conversations", "members", "memberships", "messages", "reactions", "receiptSteps", "users", "devices"]),
    );
    const wrong = reads.flatMap(({ view, filter, sort }) => {
      const why = unserved(view, filter, sort);
      return why === undefined ? [] : [`${view} ${JSON.stringify(filter).slice(0, 200)}: ${why}`];
    });
    expect([...new Set(wrong)]).toEqual([]);
  });
});
