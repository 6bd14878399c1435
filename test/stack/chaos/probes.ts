/** What people notice of a fault: how long a send, its frame at the other gateway, and a sync take, one after another. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { Client, MessageAck, SyncResult } from "../../../client/index.js";
import type { Cluster } from "../../kit/cluster.js";
import { connectDevice, conversationOf, eventually, text } from "../../kit/device.js";
import type { Acknowledged, Sent } from "../../crash/load.js";
import { longMs } from "../faults/faults-kit.js";

type Kind = "send" | "frame" | "sync";
const kinds = ["send", "frame", "sync"] as const satisfies readonly Kind[];
/** Times are of performance.now. */
type Taken = { readonly kind: Kind; readonly gateway: number; readonly from: number; readonly to: number };
/** The longest of each, in milliseconds, by the gateway that was asked; of a frame, by the gateway of its sender. */
export type Longest = Readonly<Record<Kind, number>>;

export type Probes = {
  /** Resolves when each kind has been taken at each gateway by something that began after `time`. */
  readonly allAfter: (time: number) => Promise<void>;
  /** Of what was under way at any moment after `time`, at these gateways. */
  readonly longestSince: (time: number, gateways: readonly number[]) => Longest;
  readonly finish: () => Promise<{ readonly sent: Sent[]; readonly acknowledged: Acknowledged[] }>;
  readonly conversationIds: readonly string[];
};

const pauseMs = 50;
/** People try again sooner than a request that hangs gives up by itself. */
const syncTimeoutMs = 3_000;

/** One sender at each gateway, whose partner is at the other one. */
export const startProbes = async (cluster: Cluster, name: string): Promise<Probes> => {
  const taken: Taken[] = [];
  const sent: Sent[] = [];
  const acknowledged: Acknowledged[] = [];
  let going = true;
  const timed = async <A>(kind: Kind, gateway: number, work: () => Promise<A>): Promise<A> => {
    const from = performance.now();
    const done = await work();
    taken.push({ kind, gateway, from, to: performance.now() });
    return done;
  };

  const open = async (gateway: number) => {
    const [userId, peerId] = ["sender", "receiver"].map((role) => cluster.user(`${name}-${role}-${gateway}`));
    if (userId === undefined || peerId === undefined) throw new Error("a probe has two people");
    const other = (gateway + 1) % cluster.gateways.length;
    const options = { requestTimeoutMs: 3_000 };
    const [client, peer] = await Promise.all([
      connectDevice(cluster.door(gateway), userId, "phone", options),
      connectDevice(cluster.door(other), peerId, "phone", options),
    ]);
    const { conversationId } = await client.createDirect(peerId);
    await eventually(() => peer.conversations.has(conversationId), "the receiver knows the conversation");
    return { gateway, userId, client, peer, conversationId };
  };
  const people = await Promise.all(cluster.gateways.map((_, gateway) => open(gateway)));

  const run = async ({ gateway, userId, client, peer, conversationId }: (typeof people)[number]): Promise<void> => {
    for (let i = 0; going; i += 1) {
      const message = { conversationId, userId, clientMessageId: `${userId}-${i}`, text: `«${userId} says ${i}»` };
      sent.push(message);
      const { clientMessageId } = message;
      const sentAt = performance.now();
      await timed("frame", gateway, async () => {
        const send = () => client.send(conversationId, text(message.text), { clientMessageId }).accepted;
        const ack = await timed("send", gateway, send);
        acknowledged.push({ ...message, ack, sentAt, acknowledgedAt: performance.now() });
        await has(peer, ack);
      });
      await sleep(pauseMs);
    }
  };
  /** What was acknowledged before is in every sync that is asked for afterwards. */
  const ask = async ({ gateway, userId, conversationId }: (typeof people)[number]): Promise<void> => {
    while (going) {
      const known = acknowledged.findLast((one) => one.userId === userId)?.ack;
      const answer = await timed("sync", gateway, () => untilSynced(cluster, gateway, userId, conversationId));
      const entry = answer.conversations.find((one) => one.conversationId === conversationId);
      expect(entry?.pos).toBeGreaterThanOrEqual(known?.pos ?? 0);
      await sleep(pauseMs);
    }
  };
  const running = Promise.all(people.flatMap((one) => [run(one), ask(one)]));
  // Told by `finish`; a test that failed before has said why.
  running.catch(() => undefined);

  return {
    conversationIds: people.map(({ conversationId }) => conversationId),
    allAfter: async (time) => {
      const missing = (): readonly string[] =>
        kinds.flatMap((kind) =>
          people
            .filter((one) => !taken.some((each) => isOf(each, kind, one.gateway) && each.from > time))
            .map(({ gateway }) => `${kind} at gateway ${gateway}`),
        );
      const back = eventually(() => missing().length === 0, "sends, frames and syncs are there again", longMs);
      // A probe that failed says why.
      await Promise.race([back, running]).catch((error: unknown) => {
        throw new Error(`missing: ${missing().join(", ")}`, { cause: error });
      });
    },
    longestSince: (time, gateways) => {
      const longest = (kind: Kind): number =>
        Math.max(
          0,
          ...taken
            .filter((one) => one.kind === kind && one.to > time && gateways.includes(one.gateway))
            .map(({ from, to }) => to - Math.max(from, time)),
        );
      return { send: longest("send"), frame: longest("frame"), sync: longest("sync") };
    },
    finish: async () => {
      going = false;
      await running.finally(() => {
        for (const { client, peer } of people) {
          client.close();
          peer.close();
        }
      });
      return { sent, acknowledged };
    },
  };
};

const isOf = (taken: Taken, kind: Kind, gateway: number): boolean => taken.kind === kind && taken.gateway === gateway;

/** @throws (rejects) Error with what the receiver's client knows */
const has = (peer: Client, ack: MessageAck): Promise<void> =>
  eventually(() => conversationOf(peer, ack.conversationId).pos >= ack.pos, "the receiver has the frame", longMs).catch(
    (error: unknown) => {
      const { pos } = conversationOf(peer, ack.conversationId);
      throw new Error(`at pos ${pos} of ${ack.pos}, ${JSON.stringify(peer.connection())}`, { cause: error });
    },
  );

const untilSynced = async (
  cluster: Cluster,
  gateway: number,
  userId: string,
  conversationId: string,
): Promise<SyncResult> => {
  const door = cluster.door(gateway);
  const body = JSON.stringify({ cursors: { [conversationId]: Number.MAX_SAFE_INTEGER }, only: true });
  const until = performance.now() + longMs;
  for (;;) {
    const answer = await fetch(`${door.url()}/api/v1/sync`, {
      method: "POST",
      headers: { authorization: `Bearer ${await door.token(userId, "phone")}`, "content-type": "application/json" },
      body,
      signal: AbortSignal.timeout(syncTimeoutMs),
    }).catch(() => undefined);
    if (answer?.status === 200) return (await answer.json()) as SyncResult;
    // Away, or busy: asked again. Anything else is a defect.
    if (answer !== undefined) expect([answer.status, await answer.text()]).toEqual([503, expect.any(String)]);
    expect(performance.now(), "sync answers at last").toBeLessThan(until);
    await sleep(pauseMs);
  }
};
