import { createHmac } from "node:crypto";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { Client } from "../../client/index.js";
import { metricsOf } from "../kit/cluster.js";
import { connectDevice, eventually, text, textsOf } from "../kit/device.js";
import { foreignCalls, foreignFrames, malformedCalls, malformedFrames } from "../kit/malformed.js";
import { isNowhere, openPlace, type Place } from "../kit/place.js";

/**
 * Whatever is sent, each gets its documented answer, and nothing else happens: the process lives on, others chat on, and
 * the log's head stays where it was. The tables are those of the unit tests, here through real sockets.
 */
type Answer = { type: string; id?: string; payload: Record<string, unknown> };

/** A socket that says anything and reads one answer after another. */
const openSocket = async (server: Place, token: string) => {
  const socket = new WebSocket(`${server.url().replace("http", "ws")}/ws`, { headers: bearer(token) });
  const received: Answer[] = [];
  socket.on("message", (data: Buffer) => received.push(JSON.parse(data.toString()) as Answer));
  await once(socket, "open");
  let read = 0;
  const next = async (): Promise<Answer> => {
    const index = read++;
    await eventually(() => received.length > index, "an answer");
    const answer = received[index];
    if (answer === undefined) throw new Error("nothing was received");
    return answer;
  };
  expect((await next()).type).toBe("connected");
  const say = (frame: unknown): Promise<Answer> => {
    socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
    return next();
  };
  return { socket, say, next };
};

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe.skipIf(isNowhere)("bad input", () => {
  let server: Place;
  let alice: Client;
  let bob: Client;
  let token = "";
  let strangers = "";
  let direct = "";
  let group = "";
  let messageId = "";
  let chatted = 0;

  const ask = async (as: string | undefined, target: string, body?: unknown) => {
    const [method = "", path = ""] = target.split(" ");
    const sent = body === undefined || typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    const response = await fetch(`${server.url()}/api/v1${path}`, {
      method,
      headers: { ...(as === undefined ? {} : bearer(as)), "content-type": "application/json" },
      ...(sent === undefined ? {} : { body: sent }),
    });
    return { status: response.status, json: (await response.json()) as Record<string, unknown> };
  };
  const head = async (): Promise<number> => {
    const heads = await Promise.all(
      server.gateways.map(async (gateway) => (await metricsOf(gateway))("parley_log_head_position")),
    );
    const highest = Math.max(...heads);
    if (highest === 0) throw new Error("the metrics do not say where the log's head is");
    return highest;
  };
  const pids = () => server.gateways.map(({ process }) => process().pid);
  /** Runs `attack`; then nothing was written, the same process serves, and two others talk. */
  const unharmed = async (attack: () => Promise<void>): Promise<void> => {
    const before = { head: await head(), pids: pids() };
    await attack();
    expect(await head()).toBe(before.head);
    expect([server.gateways.map(({ process }) => process().exitCode), pids()]).toEqual([
      server.gateways.map(() => null),
      before.pids,
    ]);
    for (const { url } of server.gateways) expect((await fetch(`${url()}/readyz`)).status).toBe(200);
    const words = `still here ${chatted++}`;
    await alice.send(direct, text(words)).accepted;
    await eventually(() => textsOf(bob, direct).includes(words), "bob reads on");
    // What bob's device reports back must not count as the next attack's.
    await eventually(async () => (await alice.conversation(direct)).state.deliveredToAll >= chatted + 1, "delivered");
  };

  beforeAll(async () => {
    server = await openPlace();
    alice = await connectDevice(server, "alice", "phone");
    bob = await connectDevice(server, "bob", "phone");
    direct = (await alice.createDirect("bob")).conversationId;
    ({ messageId } = await alice.send(direct, text("the first")).accepted);
    await eventually(() => textsOf(bob, direct).includes("the first"), "bob has the first");
    token = await server.token("carol", "laptop");
    strangers = await server.token("mallory", "phone");
    const made = await ask(await server.token("alice", "phone"), "POST /groups", {
      name: "Crew",
      participantIds: ["bob"],
    });
    group = String(made.json.conversationId);
    // A caller is registered first, which is an event: it must not count as the attack's.
    for (const each of [token, strangers]) expect((await ask(each, "GET /me")).status).toBe(200);
    await eventually(async () => (await alice.conversation(direct)).state.deliveredToAll === 1, "all is quiet");
  });
  afterAll(async () => {
    for (const device of [alice, bob]) device.close();
    await server.dispose();
  });

  it("every malformed frame is answered with its code and its field, and the socket stays open", async () => {
    expect(malformedFrames.length).toBeGreaterThan(60);
    const { socket, say } = await openSocket(server, token);
    await unharmed(async () => {
      for (const [name, frame, code, fields] of malformedFrames) {
        const { type, payload } = await say(frame);
        const named = (payload.details as { field: string }[]).map(({ field }) => field);
        expect([name, type, payload.code, named]).toEqual([name, "error", code, fields]);
      }
      expect(await say({ type: "heartbeat" })).toMatchObject({ type: "heartbeat.ack" });
    });
    socket.close();
  });

  it("every malformed call is answered with its status, its code and its field", async () => {
    // Alice's: "oneself" in the table is she.
    const own = await server.token("alice", "phone");
    await unharmed(async () => {
      for (const [name, target, body, status, field] of malformedCalls) {
        const { status: answered, json } = await ask(own, target, body);
        const error = status === 413 ? "TOO_LARGE" : "INVALID_MESSAGE";
        const named = (json.details as { field: string }[] | undefined)?.map((problem) => problem.field);
        expect([name, answered, json.error, named]).toEqual([name, status, error, [field]]);
      }
      for (const target of ["GET /nothing", "PUT /conversations", "PATCH /me"])
        expect([404, 405]).toContain((await ask(token, target)).status);
    });
  });

  it("no token but a good one opens anything", async () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const [header = "", claims = "", signature = ""] = token.split(".");
    const payload = JSON.parse(Buffer.from(claims, "base64url").toString()) as Record<string, unknown>;
    const signed = `${header}.${part({ ...payload, sub: "alice" })}`;
    const bad = {
      none: undefined,
      rubbish: "rubbish",
      expired: await server.token("carol", "laptop", -60),
      "another's claims under this signature": `${signed}.${signature}`,
      "another secret": `${signed}.${createHmac("sha256", "guess").update(signed).digest("base64url")}`,
      "alg none": `${part({ alg: "none" })}.${claims}.`,
      "alg none with its signature": `${part({ alg: "none" })}.${claims}.${signature}`,
      "RS256 without any keys": `${part({ alg: "RS256", kid: "x" })}.${claims}.${signature}`,
      "no signature": `${header}.${claims}.`,
    };
    await unharmed(async () => {
      for (const [name, each] of Object.entries(bad)) {
        const { status, json } = await ask(each, "GET /me");
        expect([name, status, json.error]).toEqual([name, 401, "UNAUTHORIZED"]);
        const socket = new WebSocket(`${server.url().replace("http", "ws")}/ws`, {
          headers: each === undefined ? {} : bearer(each),
        });
        const refusals = once(socket, "unexpected-response") as Promise<[unknown, { statusCode: number }]>;
        socket.on("error", () => undefined);
        const [, response] = await refusals;
        expect([name, response.statusCode]).toEqual([name, 401]);
        socket.terminate();
      }
    });
  });

  it("for strangers no conversation is there, whatever they call", async () => {
    await unharmed(async () => {
      for (const conversationId of [direct, group, "d_nothing"])
        for (const [target, body] of foreignCalls(conversationId)) {
          const { status, json } = await ask(strangers, target, body);
          expect([target, status, json.error]).toEqual([target, 404, "CONVERSATION_NOT_FOUND"]);
        }
      const removal = await ask(strangers, "DELETE /me/devices/laptop");
      expect([removal.status, removal.json.error]).toEqual([404, "NOT_FOUND"]);
    });
  });

  it("for strangers no conversation is there, whatever they say", async () => {
    const { socket, say } = await openSocket(server, strangers);
    await unharmed(async () => {
      for (const conversationId of [direct, group, "g_nothing"])
        for (const frame of foreignFrames(conversationId, messageId)) {
          const { type, id, payload } = await say({ ...frame, id: "f" });
          expect([frame.type, type, id, payload.code]).toEqual([frame.type, "error", "f", "CONVERSATION_NOT_FOUND"]);
        }
      const synced = await say({ type: "sync", payload: { cursors: { [direct]: -1 }, only: true } });
      expect(synced).toMatchObject({ type: "sync.result", payload: { conversations: [], left: [direct] } });
    });
    socket.close();
  });

  it("what breaks the protocol or is too large closes its own socket, and no other", async () => {
    const closing = async (frame: string | Buffer): Promise<number> => {
      const { socket } = await openSocket(server, token);
      const closed = once(socket, "close") as Promise<[number]>;
      socket.send(frame);
      return (await closed)[0];
    };
    await unharmed(async () => {
      expect(await closing(Buffer.from([1, 2, 3]))).toBe(4400);
      expect(await closing(JSON.stringify({ type: "heartbeat", payload: { x: "y".repeat(140 * 1024) } }))).toBe(4413);
      expect((await ask(token, "POST /groups", { name: "n", x: "y".repeat(300 * 1024) })).status).toBe(413);
    });
  });
});
