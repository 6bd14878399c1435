/** A rebuild of a distributed Parley's views while people chat: killed and gone on with, a projector killed in between. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { mongoGenerations } from "../../../src/infra/view-store/mongodb/generations/generations.js";
import { openMongo } from "../../../src/infra/engines/mongodb/connection.js";
import type { RebuildReport } from "../../../src/operate/projections/rebuild.js";
import { json, run } from "../../cli/run.js";
import { clusterEngines, startCluster } from "../../kit/cluster.js";
import { connectDevice, eventually, text } from "../../kit/device.js";
import { mayStartServers, startOwnServers } from "../../kit/own-servers.js";

const hasEngines = clusterEngines();
const parley = fileURLToPath(new URL("../../../dist/src/cli/parley.js", import.meta.url));
const before = 200;

describe.skipIf(!hasEngines || !mayStartServers)("views are built anew while people chat", () => {
  test("killed and gone on with, a projector killed meanwhile: nothing differs, nothing is lost, nobody notices", async () => {
    const servers = await startOwnServers("eventstore");
    const tag = randomBytes(5).toString("hex");
    const given = Object.entries(process.env).filter(([name]) => name.startsWith("PARLEY_"));
    const cell: Record<string, string> & { readonly PARLEY_MONGODB_DATABASE: string } = {
      ...(Object.fromEntries(given) as Record<string, string>),
      ...{ PARLEY_PROFILE: "distributed", PARLEY_S3_URL: "", PARLEY_CELL: `test-${tag}` },
      PARLEY_MONGODB_DATABASE: `parley-test-${tag}`,
      PARLEY_EVENTSTORE_URL: servers.env.PARLEY_EVENTSTORE_URL ?? "",
      PARLEY_MASTER_KEY: randomBytes(32).toString("base64"),
      PARLEY_TOKEN_SECRET: randomBytes(32).toString("base64url"),
    };
    const cluster = await startCluster({ gateways: 2, projectors: 2, environment: cell });
    const mongo = await openMongo({ url: cell.PARLEY_MONGODB_URL ?? "", database: cell.PARLEY_MONGODB_DATABASE });
    const generations = mongoGenerations({ db: mongo.db, partitions: 8 });
    const alice = await connectDevice(cluster.door(0), cluster.user("alice"), "phone");
    const bob = await connectDevice(cluster.door(1), cluster.user("bob"), "phone");
    try {
      const { conversationId } = await alice.createDirect(cluster.user("bob"));
      let sent = 0;
      const send = async (): Promise<void> => {
        await (sent % 2 === 0 ? alice : bob).send(conversationId, text(`number ${sent}`)).accepted;
        sent += 1;
      };
      while (sent < before) await send();
      const over = new AbortController();
      const chatting = (async () => {
        while (!over.signal.aborted) await send();
      })();

      const args = ["projections", "rebuild", "all", "--parallel", "3", "--json"];
      const env = { PATH: process.env.PATH, ...cell };
      const slow = spawn(process.execPath, [parley, ...args, "--max-events-per-second", "40"], {
        env,
        stdio: "ignore",
      });
      const ended = new Promise((resolve) => slow.once("exit", resolve));
      await eventually(
        async () => ((await generations.list()).at(1)?.checkpoint?.position ?? 0) > 10,
        "a part of the log is filled in",
        60_000,
      );
      slow.kill("SIGKILL");
      await ended;
      await cluster.projectors[0]?.kill();
      const ran = await run(args, cell);
      expect([ran.code, ran.stderr]).toEqual([0, ""]);
      const { rebuilt } = json(ran) as { readonly rebuilt: RebuildReport };
      expect(rebuilt).toMatchObject({ generation: 2, different: 0, notLookedAt: 0, switched: true });
      expect(rebuilt.resumedAt).toBeGreaterThan(10);
      await eventually(() => sent > before + 50, "people chat on", 60_000);
      over.abort();
      await chatting;

      for (const [from, to] of [
        [2, 1],
        [1, 2],
      ] as const) {
        const back = await run(["projections", "switch", String(to), "--json"], cell);
        expect([back.stderr, json(back)]).toMatchObject(["", { switched: { from, to, events: 0 } }]);
        await send();
      }
      const dropped = json(await run(["projections", "drop", "--json"], cell));
      expect(dropped).toEqual({ dropped: [1] });
      expect((await generations.list()).map(({ number, state }) => [number, state])).toEqual([[2, "live"]]);
      await send();
      for (const door of [0, 1]) {
        const late = await connectDevice(cluster.door(door), cluster.user("bob"), `late-${door}`);
        await eventually(
          () => late.conversations.get(conversationId)?.inbox.lastMessage?.sequence === sent,
          "a new device has everything",
          60_000,
        );
        late.close();
      }
    } finally {
      alice.close();
      bob.close();
      await mongo.close();
      await cluster.dispose();
      await servers.stop();
    }
  });
});
