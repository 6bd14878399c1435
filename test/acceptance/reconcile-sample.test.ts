import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Client } from "../../client/index.js";
import { openSqliteViewsFile } from "../../src/infra/view-store/sqlite/views-file.js";
import { connectDevice, eventually, text } from "../kit/device.js";
import { startServer, type TestServer } from "../kit/server.js";

let server: TestServer;
let alice: Client;
let conversationId: string;

beforeAll(async () => {
  // The most that may be asked for: one follows the other.
  server = await startServer(["--reconcile-sample", "100000"]);
  alice = await connectDevice(server, "alice", "phone");
  ({ conversationId } = await alice.createDirect("bob"));
  for (let number = 0; number < 5; number += 1) await alice.send(conversationId, text(`${number}`)).accepted;
  await alice.members(conversationId);
});
afterAll(async () => {
  alice.close();
  await server.dispose();
});

const metric = async (name: string): Promise<number> => {
  const text = await (await fetch(`${server.url()}/metrics`)).text();
  const line = text.split("\n").find((each) => each.startsWith(`${name} `));
  return Number(line?.split(" ")[1] ?? 0);
};

describe("a sample in the background", () => {
  test("finds nothing in views that are right, tells a row that has drifted with its proof, and repairs nothing", async () => {
    await eventually(async () => (await metric("parley_reconcile_rows_total")) > 50, "rows are compared");
    expect(server.said()).not.toContain("is not what the log says");
    const file = openSqliteViewsFile(join(server.dataDir, "views.db"));
    try {
      const asked = [{ view: "conversations" as const, under: [conversationId] }];
      const [row] = (await file.stored.read(asked)).rows;
      if (row === undefined) throw new Error("no row");
      const right = { ...row, raised: { ...row.raised, lastSequence: 77 } };
      file.replace([{ view: row.view, key: row.key, right }], []);
      const drifted = 'parley_reconcile_drifted_total{view="conversations"}';
      await eventually(async () => (await metric(drifted)) > 1, "drift is counted");
      expect((await file.stored.read(asked)).rows).toEqual([right]);
    } finally {
      file.close();
    }
    expect(server.said()).toMatch(/"field":"lastSequence","stored":77,"right":5,"proof":\{"position":\d+/);
    expect(server.said()).toContain(`parley projections reconcile --conversation ${conversationId} --repair`);
    expect(await metric("parley_reconcile_failed_total")).toBe(0);
    expect(await server.terminate()).toBe(0);
  });
});
