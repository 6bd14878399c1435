/** The views are built anew while clients chat, by a process that is killed twice; nobody notices when they go over. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { sqliteGenerations } from "../../src/infra/view-store/sqlite/generations.js";
import { run } from "../cli/run.js";
import { eventually } from "../kit/device.js";
import { startServer, type TestServer } from "../kit/server.js";
import { text, wireDevice, type WireDevice } from "../kit/wire.js";

const parley = fileURLToPath(new URL("../../dist/src/cli/parley.js", import.meta.url));

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.dispose());

const rebuilding = (...flags: readonly string[]) => [
  "projections",
  "rebuild",
  "all",
  "--data",
  server.dataDir,
  ...flags,
];

/** Where the generation that is being built has come to; 0 before it is there. */
const builtTo = async (): Promise<number> => {
  const unfinished = (await sqliteGenerations(server.dataDir).list()).find(({ state }) => state === "building");
  return unfinished?.checkpoint?.position ?? 0;
};

/** SIGKILL once it has come beyond the position; where it was. */
const killedBeyond = async (position: number): Promise<number> => {
  const args = rebuilding("--parallel", "3", "--max-events-per-second", "400");
  const child = spawn(process.execPath, [parley, ...args], { stdio: "ignore" });
  const exited = once(child, "exit");
  await eventually(async () => (await builtTo()) > position, "the rebuild has come further");
  child.kill("SIGKILL");
  await exited;
  return builtTo();
};

/** Sends without a pause and reads its inbox after each message, until told to stop. Each message that was acknowledged is there. */
const chat = (device: WireDevice, conversationId: string) => {
  const state = { isGoing: true };
  let sent = 0;
  const finished = (async () => {
    while (state.isGoing) {
      const content = text(`${device.userId} ${sent}`);
      const ack = await device.ask("message.send", { conversationId, clientMessageId: `c${sent}`, content });
      expect(ack).toMatchObject({ type: "message.ack" });
      sent += 1;
      const { status, body } = await device.rest("GET /conversations");
      expect(status).toBe(200);
      const [inbox] = body.conversations as readonly {
        conversation: { conversationId: string; lastSequence: number };
      }[];
      expect(inbox?.conversation.lastSequence).toBeGreaterThanOrEqual(Number(ack.payload.sequence));
    }
  })();
  return {
    sent: () => sent,
    stop: async () => {
      state.isGoing = false;
      await finished;
    },
    finished,
  };
};

it("a rebuild that is killed twice goes on, readers go over to it without an error, and a restart stays there", async () => {
  const [alice, bob] = [await wireDevice(server, "alice"), await wireDevice(server, "bob")];
  const started = await alice.rest("POST /conversations", { type: "direct", participantIds: ["bob"] });
  const conversationId = String(started.body.conversationId);
  const chats = [chat(alice, conversationId), chat(bob, conversationId)];
  await Promise.race([
    eventually(() => chats.every(({ sent }) => sent() > 150), "a history"),
    ...chats.map((c) => c.finished),
  ]);

  const first = await killedBeyond(0);
  const second = await killedBeyond(first);
  expect(second).toBeGreaterThan(first);
  const ran = await run(rebuilding("--parallel", "2", "--json"));
  expect(ran).toMatchObject({ code: 0, stderr: "" });
  const { rebuilt } = JSON.parse(ran.stdout) as { rebuilt: { position: number } };
  expect(rebuilt).toMatchObject({
    generation: 2,
    resumedAt: second,
    parallel: 2,
    switched: true,
    different: 0,
    notLookedAt: 0,
  });
  const before = chats.map(({ sent }) => sent());
  await eventually(() => chats.every(({ sent }, index) => sent() > (before[index] ?? 0) + 5), "they chat on");
  for (const each of chats) await each.stop();
  expect(alice.frames.filter(({ type }) => type === "error" || type === "sync.required")).toEqual([]);

  const count = chats.reduce((sum, { sent }) => sum + sent(), 0);
  const historyOf = async (device: WireDevice): Promise<number> =>
    ((await device.rest(`GET /conversations/${conversationId}`)).body.conversation as { lastSequence: number })
      .lastSequence;
  expect(await historyOf(bob)).toBe(count);
  await alice.close();
  await bob.close();
  expect(await server.terminate()).toBe(0);
  await server.start();
  const again = await wireDevice(server, "alice");
  expect(await historyOf(again)).toBe(count);

  // Back to the one of before, which nobody has written since, and to the new one again, beside the server.
  for (const [from, to] of [
    [2, 1],
    [1, 2],
  ] as const) {
    const back = await run(["projections", "switch", String(to), "--data", server.dataDir, "--json"]);
    expect(back).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(back.stdout)).toMatchObject({ switched: { from, to } });
    expect(await historyOf(again)).toBe(count);
  }
  const none = await run(["projections", "switch", "7", "--data", server.dataDir]);
  expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining("no generation 7 (kept: 1)") as string });
  await again.close();

  const status = JSON.parse((await run(["projections", "status", "--data", server.dataDir, "--json"])).stdout) as {
    projections: readonly object[];
  };
  expect(status.projections).toContainEqual(expect.objectContaining({ name: "messages", generation: 2, rows: count }));
  expect(existsSync(join(server.dataDir, "views.db"))).toBe(true);
  expect(await run(["projections", "drop", "--data", server.dataDir, "--json"])).toMatchObject({
    code: 0,
    stdout: '{"dropped":[1]}\n',
  });
  expect(existsSync(join(server.dataDir, "views.db"))).toBe(false);
  expect((await run(["doctor", "--data", server.dataDir, "--json"])).code).toBe(0);
});

it("beside a stopped server the list is changed under its lock, and what is served is what was built", async () => {
  expect(await server.terminate()).toBe(0);
  const ran = await run(["projections", "rebuild", "users", "--data", server.dataDir, "--json"]);
  expect(JSON.parse(ran.stdout)).toMatchObject({ rebuilt: { generation: 3, names: ["users"], switched: true } });
  expect(await run(["projections", "cancel", "--data", server.dataDir, "--json"])).toMatchObject({
    code: 0,
    stdout: '{"cancelled":"nothing"}\n',
  });
  await server.start();
  const alice = await wireDevice(server, "alice");
  expect((await alice.rest("GET /conversations")).status).toBe(200);
  await alice.close();
});
