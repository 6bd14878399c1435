/** What readers and devices notice of projectors that are away: killed, ended, come back, or not there at a gateway's start. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clusterEngines, metricsOf, startCluster, type Cluster } from "../../kit/cluster.js";
import { eventually } from "../../kit/device.js";
import type { ServerProcess } from "../../kit/server.js";
import { text, wireDevice, type WireDevice } from "../../kit/wire.js";

/** Enough that every partition has one. */
const conversationsCount = 40;

const isText = (content: unknown, wanted: string): boolean =>
  typeof content === "object" && content !== null && "text" in content && content.text === wanted;

describe.skipIf(!clusterEngines())("projectors that go away", () => {
  let cluster: Cluster;
  let [alice, bob]: WireDevice[] = [];
  const ids: string[] = [];
  beforeAll(async () => {
    cluster = await startCluster({ gateways: 1, projectors: 2, flags: ["--log-level", "error"] });
    [alice, bob] = await Promise.all(["alice", "bob"].map((name) => wireDevice(cluster.door(0), cluster.user(name))));
    for (let i = 0; i < conversationsCount; i += 1) {
      const participantIds = [cluster.user("bob")];
      const made = await device(alice).rest("POST /groups", { name: `group ${i}`, participantIds });
      ids.push(String(made.body.conversationId));
    }
    await sharedAs(4, 4);
  });
  afterAll(async () => {
    await alice?.close();
    await bob?.close();
    await cluster.dispose();
  });

  const device = (one: WireDevice | undefined): WireDevice => one ?? expect.fail("not connected");
  const projector = (index: number): ServerProcess => cluster.projectors[index] ?? expect.fail("no such projector");
  const held = async (one: ServerProcess): Promise<number> => {
    try {
      return (await metricsOf(one))("parley_projector_partitions");
    } catch {
      return -1;
    }
  };
  const sharedAs = (...expected: readonly number[]): Promise<void> =>
    eventually(
      async () => (await Promise.all(cluster.projectors.map(held))).join() === expected.join(),
      `partitions shared as ${expected.join()}`,
      60_000,
    );
  /** One message in each conversation: milliseconds until bob has the last of them. */
  const heardAfter = async (round: string): Promise<number> => {
    const startedAt = performance.now();
    for (const conversationId of ids) {
      const message = { conversationId, clientMessageId: `${round}-${conversationId}`, content: text(round) };
      expect((await device(alice).ask("message.send", message)).type).toBe("message.ack");
    }
    const heard = () =>
      new Set(
        device(bob)
          .frames.filter(({ type, payload }) => type === "message.new" && isText(payload.content, round))
          .map(({ payload }) => payload.conversationId),
      );
    await eventually(() => heard().size === ids.length, `every message of round ${round}`, 60_000);
    return performance.now() - startedAt;
  };

  it("leave their partitions without frames for three seconds when killed, and not at all when ended by SIGTERM", async () => {
    await heardAfter("before");
    await projector(1).kill();
    const killed = await heardAfter("killed");
    await sharedAs(8, -1);
    await projector(1).start();
    await sharedAs(4, 4);
    await projector(1).terminate();
    const ended = await heardAfter("ended");
    await projector(1).start();
    await sharedAs(4, 4);
    process.stdout.write(
      `frames of all partitions after: kill ${Math.round(killed)} ms, SIGTERM ${Math.round(ended)} ms\n`,
    );
    // The promise is three seconds and one; a machine that is loaded with tests adds to both.
    expect(killed).toBeLessThan(6_000);
    expect(ended).toBeLessThan(4_000);
  });

  it("leave a gateway that starts meanwhile without reads: they are refused until one is back, and sending goes on", async () => {
    await device(alice).close();
    await device(bob).close();
    await Promise.all([projector(0).kill(), projector(1).kill()]);
    const [gateway = expect.fail("no gateway")] = cluster.gateways;
    const sender = await wireDevice(cluster.door(0), cluster.user("alice"));
    const [conversationId] = ids;
    const message = { conversationId, clientMessageId: "unseen", content: text("unseen") };
    expect((await sender.ask("message.send", message)).type).toBe("message.ack");
    await sender.close();
    await gateway.terminate();
    await gateway.start();

    const again = await wireDevice(cluster.door(0), cluster.user("alice"));
    /** Without the kit's patience: here the refusal is what counts. */
    const read = async (path: string) => {
      const headers = { authorization: `Bearer ${again.token}` };
      const response = await fetch(`${gateway.url()}/api/v1${path}`, { headers });
      return { status: response.status, body: await response.json() };
    };
    for (const path of ["/conversations", `/conversations/${String(conversationId)}/messages`, "/me"])
      expect(await read(path)).toMatchObject({ status: 503, body: { error: "UNAVAILABLE" } });
    const ready = await fetch(`${gateway.url()}/readyz`);
    expect([ready.status, await ready.json()]).toMatchObject([
      200,
      { ready: true, problems: { views: expect.any(String) as string } },
    ]);
    const other = { conversationId, clientMessageId: "meanwhile", content: text("meanwhile") };
    expect((await again.ask("message.send", other)).type).toBe("message.ack");

    await projector(0).start();
    const history = `/conversations/${String(conversationId)}/messages`;
    await eventually(async () => (await read(history)).status === 200, "reads are back", 60_000);
    expect(JSON.stringify((await read(history)).body)).toContain("unseen");
    await again.close();
  });
});
