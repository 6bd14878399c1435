import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Client } from "../../../client/index.js";
import { openSqliteViewsFile, type SqliteViews } from "../../../src/infra/view-store/sqlite/views-file.js";
import type { ViewRow } from "../../../src/projections/ports/stored-rows.js";
import type { FoundDrift } from "../../../src/projections/reconcile/reconcile.js";
import { connectDevice, text } from "../../kit/device.js";
import { startServer, type TestServer } from "../../kit/server.js";
import { jsonLines, run } from "../run.js";

let server: TestServer;
let alice: Client;
let conversationId: string;

beforeAll(async () => {
  server = await startServer();
  alice = await connectDevice(server, "alice", "phone");
  ({ conversationId } = await alice.createGroup({ name: "Friends", participantIds: ["bob"] }));
  for (let number = 0; number < 20; number += 1) await alice.send(conversationId, text(`${number}`)).accepted;
  await caughtUp();
});
afterAll(async () => {
  alice.close();
  await server.dispose();
});

/** A reader is answered by views that hold what it wrote. */
const caughtUp = (): Promise<unknown> => alice.members(conversationId);

/** A second writer of the file beside the server: what damages rows in these tests. */
const inViews = async <A>(body: (file: SqliteViews) => Promise<A>): Promise<A> => {
  const file = openSqliteViewsFile(join(server.dataDir, "views.db"));
  try {
    return await body(file);
  } finally {
    file.close();
  }
};

const rowOf = async (file: SqliteViews, view: "members" | "conversations"): Promise<ViewRow> => {
  const { rows } = await file.stored.read([
    { view, under: view === "members" ? [conversationId, "bob"] : [conversationId] },
  ]);
  const [row] = rows;
  if (row === undefined) throw new Error(`no row in ${view}`);
  return row;
};

/** Higher than anything that the log will say: no projector's write would ever bring them down. */
const damaged = (): Promise<void> =>
  inViews(async (file) => {
    for (const view of ["members", "conversations"] as const) {
      const row = await rowOf(file, view);
      const raised = Object.fromEntries(Object.keys(row.raised).map((field) => [field, 1_000_000]));
      file.replace([{ view, key: row.key, right: { ...row, raised } }], []);
    }
  });

const reconcile = async (...args: readonly string[]) => {
  const ran = await run(["projections", "reconcile", "--json", "--data", server.dataDir, ...args]);
  const lines = jsonLines(ran) as readonly ({ readonly drift: FoundDrift } | { readonly reconciled: object })[];
  return {
    code: ran.code,
    drifts: lines.flatMap((line) => ("drift" in line ? [line.drift] : [])),
    reconciled: lines.flatMap((line) => ("reconciled" in line ? [line.reconciled] : []))[0],
  };
};

describe("parley projections reconcile", () => {
  test("beside a server that writes: drift is named with its proof and repaired to a lower value, and nothing that was written meanwhile is lost", async () => {
    expect(await reconcile("--conversation", conversationId)).toMatchObject({ code: 0, drifts: [] });
    await damaged();
    const found = await reconcile("--user", "bob");
    expect(found.code).toBe(1);
    const last = found.drifts
      .find(({ view }) => view === "conversations")
      ?.fields.find(({ field }) => field === "lastSequence");
    expect(last).toMatchObject({
      stored: 1_000_000,
      right: 20,
      proof: { type: "MessageSent", stream: `conversation-${conversationId}` },
    });
    let writing = true;
    const write = async (): Promise<number> => {
      let sent = 0;
      for (; writing; sent += 1) await alice.send(conversationId, text(`meanwhile ${sent}`)).accepted;
      return sent;
    };
    const written = write();
    const repaired = await reconcile("--conversation", conversationId, "--repair");
    writing = false;
    const sent = await written;
    expect(repaired).toMatchObject({ code: 0, reconciled: { drifted: 2, repaired: 2 } });
    await caughtUp();
    expect((await inViews((file) => rowOf(file, "conversations"))).raised.lastSequence).toBe(20 + sent);
    expect(await reconcile("--sample", "100%", "--seed", "x")).toMatchObject({ code: 0, drifts: [] });
    const metrics = await (await fetch(`${server.url()}/metrics`)).text();
    expect(metrics).toMatch(/^parley_reconcile_repaired_total 2$/m);
  });

  test("repairs the directory of a server that does not run, under its lock", async () => {
    await server.terminate();
    await damaged();
    expect((await reconcile("--user", "bob", "--repair")).reconciled).toMatchObject({ drifted: 2, repaired: 2 });
    expect(await reconcile("--sample", "1")).toMatchObject({ code: 0, drifts: [] });
  });

  test("looks at the rows of one projection by its name, of all conversations and users where nothing else is named", async () => {
    await damaged();
    const bob = ["--user", "bob"];
    expect(await reconcile("messages", ...bob)).toMatchObject({ code: 0, drifts: [] });
    expect(await reconcile("users")).toMatchObject({ code: 0, drifts: [], reconciled: { subjects: 1 } });
    const { code, drifts } = await reconcile("inbox");
    expect([code, drifts.map(({ view }) => view).sort()]).toEqual([1, ["conversations", "members"]]);
    expect((await reconcile("inbox", ...bob, "--repair")).reconciled).toMatchObject({ drifted: 2, repaired: 2 });
    expect(await reconcile("all")).toMatchObject({ code: 0, drifts: [] });
  });

  test("refuses what it cannot mean", async () => {
    const refusals = [
      [],
      ["--user", "a", "--sample", "1"],
      ["--sample", "2"],
      ["--user", "a", "--seed", "x"],
      ["delivery"],
    ];
    const codes = refusals.map((args) => run(["projections", "reconcile", "--data", server.dataDir, ...args]));
    expect((await Promise.all(codes)).map(({ code }) => code)).toEqual([2, 2, 2, 2, 2]);
  });
});
