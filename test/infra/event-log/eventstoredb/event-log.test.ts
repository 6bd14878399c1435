/**
 * The adapter against a gRPC server that says what a real one says rarely, in the words of KurrentDB's source: refusals,
 * silence, answers that no append waits for. What servers do every day is in test/stack.
 */
import { once } from "node:events";
import { randomUUID } from "node:crypto";
import {
  Metadata,
  Server,
  ServerCredentials,
  status,
  type ServerDuplexStream,
  type ServerWritableStream,
} from "@grpc/grpc-js";
import serverfeatures_pb from "@eventstore/db-client/generated/serverfeatures_pb.js";
import { ServerFeaturesService } from "@eventstore/db-client/generated/serverfeatures_grpc_pb.js";
import shared_pb from "@eventstore/db-client/generated/shared_pb.js";
import status_pb from "@eventstore/db-client/generated/status_pb.js";
import { StreamsService } from "@eventstore/db-client/generated/streams_grpc_pb.js";
import streams_pb, {
  type BatchAppendReq,
  type BatchAppendResp,
  type ReadReq,
  type ReadResp,
} from "@eventstore/db-client/generated/streams_pb.js";
import any_pb from "google-protobuf/google/protobuf/any_pb.js";
import empty_pb from "google-protobuf/google/protobuf/empty_pb.js";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openEventStoreDb, type EventStoreDbLog } from "../../../../src/infra/event-log/eventstoredb/event-log.js";
import { withDefaults } from "../../../../src/infra/event-log/eventstoredb/client.js";
import { newEvent, newEvents, newStream } from "../../../contract/event-log.contract.js";
import { asPosition, asRevision, firstRevision, noPosition } from "../../../../src/domain/kernel/stream.js";

type BatchCall = ServerDuplexStream<BatchAppendReq, BatchAppendResp>;
type ReadCall = ServerWritableStream<ReadReq, ReadResp>;
type Script = {
  readonly batchAppend?: (request: BatchAppendReq, call: BatchCall) => void;
  readonly read?: (call: ReadCall) => void;
  /** What ServerFeatures lists. */
  readonly methods?: readonly string[];
};

const servers: Server[] = [];
const logs: EventStoreDbLog[] = [];
afterEach(async () => {
  await Promise.all(logs.splice(0).map((log) => log.close()));
  for (const server of servers.splice(0)) server.forceShutdown();
});

const serve = async ({ batchAppend, read, methods = ["batchappend", "read"] }: Script): Promise<string> => {
  const server = new Server();
  servers.push(server);
  const refuse = (_: unknown, answer: (error: object) => void): void => {
    answer({ code: status.UNIMPLEMENTED });
  };
  server.addService(StreamsService, {
    append: refuse,
    delete: refuse,
    tombstone: refuse,
    read: (call: ReadCall) => {
      if (read === undefined) call.end();
      else read(call);
    },
    batchAppend: (call: BatchCall) => {
      call.on("data", (request: BatchAppendReq) => batchAppend?.(request, call));
      call.on("error", () => undefined);
      call.on("end", () => {
        call.end();
      });
    },
  });
  server.addService(ServerFeaturesService, {
    getSupportedMethods: (_: unknown, answer: (error: null, features: object) => void) => {
      const features = new serverfeatures_pb.SupportedMethods();
      for (const name of methods)
        features.addMethods(
          new serverfeatures_pb.SupportedMethod()
            .setServiceName("event_store.client.streams.streams")
            .setMethodName(name),
        );
      answer(null, features);
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return `esdb://127.0.0.1:${port}?tls=false`;
};
const open = (url: string, appendTimeoutMs = 10_000): EventStoreDbLog => {
  const log = openEventStoreDb({ url, appendTimeoutMs });
  logs.push(log);
  return log;
};

/** KurrentDB answers with the correlation id as two numbers, whatever form it came in. */
const echo = (request: BatchAppendReq): BatchAppendResp => {
  const digits = (request.getCorrelationId()?.getString() ?? "").replaceAll("-", "");
  const number = (hex: string): string => BigInt.asIntN(64, BigInt(`0x${hex}`)).toString();
  const structured = new shared_pb.UUID.Structured();
  structured.setMostSignificantBits(number(digits.slice(0, 16))).setLeastSignificantBits(number(digits.slice(16)));
  const response = new streams_pb.BatchAppendResp();
  response.setCorrelationId(new shared_pb.UUID().setStructured(structured));
  response.setStreamIdentifier(request.getOptions()?.getStreamIdentifier());
  return response;
};
const success = (request: BatchAppendReq, revision: number, position: number | string): BatchAppendResp =>
  echo(request).setSuccess(
    new streams_pb.BatchAppendResp.Success()
      .setCurrentRevision(String(revision))
      .setPosition(
        new shared_pb.AllStreamPosition().setCommitPosition(String(position)).setPreparePosition(String(position)),
      ),
  );
const refusal = (
  request: BatchAppendReq,
  type: string,
  message: string,
  details: Uint8Array = new Uint8Array(),
): BatchAppendResp => {
  const any = new any_pb.Any();
  any.pack(details, type);
  return echo(request).setError(new status_pb.Status().setMessage(message).setDetails(any));
};
const failure = (code: status, details: string, exception?: string): object => {
  const metadata = new Metadata();
  if (exception !== undefined) metadata.set("exception", exception);
  if (exception !== undefined) metadata.set("stream-name", "s");
  return Object.assign(new Error(details), { code, details, metadata });
};
/** A follower's answer to what only the leader answers, with the leader's address. */
const notLeader = (leader: string): object => {
  const error = failure(status.NOT_FOUND, "Leader info available", "not-leader") as { metadata: Metadata };
  const [host = "", port = ""] = leader.replace(/^esdb:\/\/|\?.*$/g, "").split(":");
  error.metadata.set("leader-endpoint-host", host);
  error.metadata.set("leader-endpoint-port", port);
  return error;
};
const readEvent = (stream: string, commit: string, prepare = commit, data = "{}"): ReadResp => {
  const event = new streams_pb.ReadResp.ReadEvent.RecordedEvent();
  event.setId(new shared_pb.UUID().setString(randomUUID()));
  event.setStreamIdentifier(new shared_pb.StreamIdentifier().setStreamName(new TextEncoder().encode(stream)));
  event.setStreamRevision("0").setCommitPosition(commit).setPreparePosition(prepare);
  event.setData(new TextEncoder().encode(data)).setCustomMetadata(new TextEncoder().encode('{"schema":1}'));
  event.getMetadataMap().set("type", "MessageSent").set("content-type", "application/json").set("created", "0");
  return new streams_pb.ReadResp().setEvent(
    new streams_pb.ReadResp.ReadEvent().setEvent(event).setCommitPosition(commit),
  );
};

describe("one client a process", () => {
  it("is shared by those who open the same address, and refused to another address until it is closed", async () => {
    const [one, other] = [await serve({}), await serve({})];
    const first = open(one);
    const second = open(one.replace("esdb:", "kurrentdb:"));
    expect(() => openEventStoreDb({ url: other })).toThrow("cannot have one for 127.0.0.1");
    await first.close();
    await first.close();
    expect(() => openEventStoreDb({ url: other })).toThrow("cannot have one for 127.0.0.1");
    await second.ping();
    await second.close();
    await open(other).ping();
  });

  it("never says a password, also where the address is wrong", () => {
    for (const url of [
      "esdb://admin:secret@host:port",
      "mongodb://admin:secret@host",
      "esdb://admin:secret@host?tls=perhaps",
    ]) {
      let said = "";
      try {
        openEventStoreDb({ url });
      } catch (error) {
        said = String(error);
      }
      expect(said).toContain("is not of the form esdb://");
      expect(said).not.toContain("secret");
    }
  });
});

describe("the address", () => {
  it("gets our keep-alive, which leaves a node that stands still within 3 s, unless it says its own", () => {
    const ours = "keepAliveInterval=1000&keepAliveTimeout=1500&gossipTimeout=2";
    expect(withDefaults("esdb+discover://a,b:2114")).toBe(`esdb+discover://a,b:2114?${ours}`);
    expect(withDefaults("esdb://u:p@a/?tls=false")).toBe(`esdb://u:p@a/?tls=false&${ours}`);
    expect(withDefaults("esdb://a?KEEP_ALIVE_interval=9000&gossip-timeout=1")).toBe(
      "esdb://a?KEEP_ALIVE_interval=9000&gossip-timeout=1&keepAliveTimeout=1500",
    );
  });

  it("is quoted nowhere by the client's own warnings, and what it does not know is told", async () => {
    const printed = vi.spyOn(console, "warn").mockReturnValue();
    const problems: string[] = [];
    const url = (await serve({})).replace("esdb://", "esdb://admin:secret@");
    const options = {
      url: `${url}&keepAliveInterval=500&nonsense=1`,
      onProblem: ({ message }: Error) => problems.push(message),
    };
    logs.push(openEventStoreDb(options));
    expect(printed).not.toHaveBeenCalled();
    expect(problems).toEqual([expect.stringContaining('Unknown option key "nonsense"')]);
    expect(problems.join()).not.toContain("secret");
    printed.mockRestore();
  });
});

describe("an append", () => {
  it("is told apart by its correlation id, and a second or foreign answer harms nobody", async () => {
    const held: BatchAppendReq[] = [];
    const url = await serve({
      batchAppend: (request, call) => {
        held.push(request);
        if (held.length < 3) return;
        const foreign = echo(request);
        foreign.setCorrelationId(new shared_pb.UUID().setString(randomUUID()));
        call.write(foreign.setSuccess(new streams_pb.BatchAppendResp.Success()));
        // The last first, and each twice.
        for (const [i, each] of [...held.entries()].reverse())
          for (let twice = 0; twice < 2; twice++) call.write(success(each, i, 100 + i));
      },
    });
    const log = open(url);
    const answers = await Promise.all([0, 1, 2].map(() => log.append(newStream(), "any", newEvents(1))));
    expect(answers.map((answer) => (answer.kind === "appended" ? [answer.revision, answer.position] : []))).toEqual([
      [0, 100],
      [1, 101],
      [2, 102],
    ]);
  });

  it("that is never answered has an open outcome; its call is cancelled, and the next has a new one", async () => {
    let calls = 0;
    const known = new Set<BatchCall>();
    let cancelled: Promise<unknown> = Promise.resolve();
    const url = await serve({
      batchAppend: (request, call) => {
        if (!known.has(call)) calls += 1;
        known.add(call);
        if (calls === 1) cancelled = once(call, "cancelled");
        else call.write(success(request, 0, 10));
      },
    });
    const log = open(url, 200);
    const events = newEvents(1);
    await expect(log.append("s", "no_stream", events)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    await cancelled;
    expect(await log.append("s", "no_stream", events)).toEqual({
      kind: "appended",
      revision: 0,
      position: 10,
    });
    expect(calls).toBe(2);
  });

  it.each([
    ["google.protobuf.Empty", "Server Is Not Ready", "UNAVAILABLE"],
    ["google.protobuf.Empty", "Server Is Too Busy", "UNAVAILABLE"],
    ["google.protobuf.Empty", "No leader info available in response", "UNAVAILABLE"],
    ["google.protobuf.Empty", "Something new", "OUTCOME_UNKNOWN"],
    ["event_store.client.Timeout", "Timeout", "OUTCOME_UNKNOWN"],
    ["event_store.client.Unknown", "Unknown", "OUTCOME_UNKNOWN"],
    ["event_store.client.AccessDenied", "Access Denied", "UNAVAILABLE"],
    ["event_store.client.StreamDeleted", "Stream Deleted", "UNAVAILABLE"],
    ["event_store.client.MaximumAppendSizeExceeded", "Maximum Append Size Exceeded", "TOO_LARGE"],
    ["event_store.client.MaximumAppendEventSizeExceeded", "too much", "TOO_LARGE"],
  ])("that is answered with %s, “%s”, is %s", async (type, message, code) => {
    const url = await serve({ batchAppend: (request, call) => call.write(refusal(request, type, message)) });
    await expect(open(url).append("s", "any", newEvents(1))).rejects.toMatchObject({ code });
  });

  it("says where the stream stands when the revision was wrong, whatever the address asks of the client", async () => {
    const url = await serve({
      batchAppend: (request, call) => {
        const wrong = new shared_pb.WrongExpectedVersion();
        if (request.getOptions()?.hasNoStream() === true) wrong.setCurrentStreamRevision("7");
        else wrong.setCurrentNoStream(new empty_pb.Empty());
        call.write(refusal(request, "event_store.client.WrongExpectedVersion", "wrong", wrong.serializeBinary()));
      },
    });
    const log = open(`${url}&throwOnAppendFailure=false`);
    expect(await log.append("s", "no_stream", newEvents(1))).toEqual({ kind: "conflict", actual: 7 });
    expect(await log.append("s", asRevision(3), newEvents(1))).toEqual({ kind: "conflict", actual: -1 });
  });

  it.each([
    [status.UNAVAILABLE, "OUTCOME_UNKNOWN"],
    [status.CANCELLED, "OUTCOME_UNKNOWN"],
    [status.INTERNAL, "OUTCOME_UNKNOWN"],
    [status.UNAUTHENTICATED, "UNAVAILABLE"],
    [status.UNIMPLEMENTED, "UNAVAILABLE"],
  ])("whose call ends with gRPC status %i is %s", async (code, expected) => {
    const url = await serve({ batchAppend: (_, call) => call.emit("error", failure(code, "over")) });
    const log = open(url);
    const answers = await Promise.allSettled([0, 1, 2].map(() => log.append("s", "any", newEvents(1))));
    for (const answer of answers) expect(answer).toMatchObject({ reason: { code: expected } });
  });

  it("is not sent to a server that takes none, and a ping says so", async () => {
    const log = open(await serve({ methods: ["read"], batchAppend: () => expect.fail("sent") }));
    await expect(log.append("s", "any", newEvents(1))).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await expect(log.ping()).rejects.toThrow("read-only or older than 21.10");
  });

  it("is refused before it is sent when it has no events, one twice, or too many bytes", async () => {
    const log = open(await serve({ batchAppend: () => expect.fail("sent") }));
    const event = newEvent();
    await expect(log.append("s", "any", [])).rejects.toThrow(RangeError);
    await expect(log.append("s", "any", [event, event])).rejects.toThrow(RangeError);
    await expect(log.append("s", "any", [newEvent("ü".repeat(40_000))])).rejects.toMatchObject({ code: "TOO_LARGE" });
  });

  it("is refused, not queued without end, while ten thousand wait", async () => {
    const log = open(await serve({}), 1_000);
    const waiting = Array.from({ length: 10_000 }, () => log.append("s", "any", newEvents(1)));
    const settled = Promise.allSettled(waiting);
    await expect(log.append("s", "any", newEvents(1))).rejects.toThrow("10000 appends wait");
    for (const answer of await settled) expect(answer.status).toBe("rejected");
  });
});

describe("appends in order", () => {
  it("go to the leader on one call, and none is sent after one that failed", async () => {
    const calls = new Set<BatchCall>();
    const streams: string[] = [];
    const url = await serve({
      batchAppend: (request, call) => {
        calls.add(call);
        streams.push(Buffer.from(request.getOptions()?.getStreamIdentifier()?.getStreamName_asU8() ?? "").toString());
        if (streams.length === 2) call.write(refusal(request, "event_store.client.Timeout", "Timeout"));
        else call.write(success(request, 0, 10 * streams.length));
      },
    });
    const appends = open(url).openOrderedAppends();
    const append = (stream: string) => appends.append(stream, "no_stream", newEvents(1));
    expect(await append("user-a")).toEqual({ kind: "appended", revision: 0, position: 10 });
    const unknown = append("user-b");
    // On its way when the one before it fails: it is answered.
    const onItsWay = append("user-c");
    await expect(unknown).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    await expect(append("user-d")).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(await onItsWay).toMatchObject({ position: 30 });
    expect(streams).toEqual(["user-a", "user-b", "user-c"]);
    expect([...calls].map(({ metadata }) => metadata.get("requires-leader"))).toEqual([["true"]]);
    appends.close();
  });
});

describe("a read", () => {
  it("of a stream that is not there is empty, and of one that was deleted says so", async () => {
    let deleted = false;
    const url = await serve({
      read: (call) => {
        if (deleted) {
          call.emit("error", failure(status.FAILED_PRECONDITION, "deleted", "stream-deleted"));
          return;
        }
        call.write(new streams_pb.ReadResp().setStreamNotFound(new streams_pb.ReadResp.StreamNotFound()));
        call.end();
      },
    });
    const log = open(url);
    expect(await log.readStream("s", firstRevision, 10)).toEqual([]);
    deleted = true;
    await expect(log.readStream("s", firstRevision, 10)).rejects.toThrow("was deleted in the event store");
    await expect(log.readStream("s", firstRevision, 10)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  it.each([
    ["7", "3", "explicit transaction"],
    ["18446744073709551615", "18446744073709551615", "no position that can be trusted"],
  ])("of an event at commit %s, prepare %s fails: %s", async (commit, prepare, reason) => {
    const url = await serve({
      read: (call) => {
        call.write(readEvent(newStream(), commit, prepare));
        call.end();
      },
    });
    const log = open(url);
    for (const read of [
      () => log.readAll(undefined, 10),
      () => log.readStream("s", firstRevision, 10),
      () => log.head(),
    ])
      await expect(read()).rejects.toThrow(reason);
  });

  it.each([
    [
      "a stream",
      (log: EventStoreDbLog) => log.readStream("user-u", firstRevision, 1).then(([event]) => event?.position),
    ],
    ["the head", (log: EventStoreDbLog) => log.head()],
  ])("of %s asks the leader, and waits for it while there is none: a follower may be behind", async (_, ask) => {
    const answering = (position: string) => (call: ReadCall) => {
      call.write(readEvent("user-u", position));
      call.end();
    };
    const leader = await serve({ read: answering("713") });
    let leaderless = 6;
    const follower = await serve({
      read: (call) => {
        if (call.metadata.get("requires-leader")[0] !== "true") answering("712")(call);
        else if (leaderless-- > 0) call.emit("error", failure(status.UNAVAILABLE, "Server Is Not Ready"));
        else call.emit("error", notLeader(leader));
      },
    });
    const log = open(follower);
    expect(await ask(log)).toBe(713);
    expect(leaderless).toBe(-1);
  });

  it("of everything is content with any node", async () => {
    const asked: unknown[] = [];
    const url = await serve({
      read: (call) => {
        asked.push(call.metadata.get("requires-leader")[0]);
        call.end();
      },
    });
    await open(url).readAll(undefined, 10);
    expect(asked).toEqual([undefined]);
  });

  it("of the end asks the leader, wherever it is, and takes others' records for what they are", async () => {
    const calls: (readonly [asked: unknown, backwards: boolean])[] = [];
    const noting = (call: ReadCall): void => {
      const backwards =
        call.request.getOptions()?.getReadDirection() === streams_pb.ReadReq.Options.ReadDirection.BACKWARDS;
      calls.push([call.metadata.get("requires-leader")[0], backwards]);
    };
    const leader = await serve({
      read: (call) => {
        noting(call);
        call.write(readEvent("$stats-of-the-server", "90"));
        call.end();
      },
    });
    const follower = await serve({
      read: (call) => {
        noting(call);
        call.emit("error", notLeader(leader));
      },
    });
    expect(await open(follower).end()).toBe(90);
    expect(calls).toEqual([
      ["true", true],
      ["true", true],
    ]);
  });

  it("is repeated when the connection has just ended", async () => {
    let calls = 0;
    const url = await serve({
      read: (call) => {
        if (++calls === 1) {
          call.emit("error", failure(status.UNAVAILABLE, "going away"));
          return;
        }
        call.write(readEvent("user-u", "5"));
        call.end();
      },
    });
    expect((await open(url).readAll(undefined, 10)).map(({ position }) => position)).toEqual([5]);
  });

  it("of everything holds no more of ours than it was asked for, and ends its call there", async () => {
    const ended: Promise<unknown>[] = [];
    const url = await serve({
      read: (call) => {
        const all = call.request.getOptions()?.getAll()?.getPosition()?.getCommitPosition();
        if (all === undefined) {
          for (let position = 1; position <= 16; position += 1) call.write(readEvent("others-1", String(position)));
          call.end();
          return;
        }
        // Never ended by itself: what comes after the second of ours is not waited for.
        ended.push(once(call, "cancelled"));
        for (let position = 16; position < 40; position += 1) call.write(readEvent("user-u", String(position)));
      },
    });
    expect((await open(url).readAll(noPosition, 2)).map(({ position }) => position)).toEqual([17, 18]);
    await Promise.all(ended);
    expect(ended).toHaveLength(1);
  });
});

describe("a subscription", () => {
  /** Head at 5; subscriptions get what `live` does. */
  const following = (live: (call: ReadCall) => void): Promise<string> =>
    serve({
      read: (call) => {
        if (call.request.getOptions()?.hasSubscription() === true) {
          live(call);
          return;
        }
        call.write(readEvent("user-u", "5"));
        call.end();
      },
    });

  it("ends its call on the server when it is stopped, and when the log is closed", async () => {
    const calls: ReadCall[] = [];
    let opened: () => void = () => undefined;
    const url = await following((call) => {
      calls.push(call);
      opened();
    });
    const log = open(url);
    for (const leave of ["stop", "close"] as const) {
      const confirmed = new Promise<void>((resolve) => (opened = resolve));
      const { stop } = log.subscribe(noPosition, {
        onEvents: () => undefined,
        onFailure: (error) => expect.fail(error.message),
      });
      await confirmed;
      const call = calls.at(-1);
      if (call === undefined) throw new Error("no call");
      const cancelled = once(call, "cancelled");
      if (leave === "stop") stop();
      else await log.close();
      await cancelled;
    }
  });

  it("fails for a position that the store does not know, and for an event that cannot be one of ours", async () => {
    const bad = [
      (call: ReadCall) => call.emit("error", failure(status.UNKNOWN, "InvalidPosition")),
      (call: ReadCall) => call.write(readEvent("user-u", "7", "3")),
    ];
    for (const [live, reason] of [
      [bad[0], "InvalidPosition"],
      [bad[1], "explicit transaction"],
    ] as const) {
      const log = open(await following((call) => live?.(call)));
      const failed = new Promise<Error>((onFailure) =>
        log.subscribe(asPosition(1), { onEvents: () => undefined, onFailure }),
      );
      expect((await failed).message).toContain(reason);
      await log.close();
    }
  });

  it("begins again, after what was handled, however often the server ends it, checkpoints or not", async () => {
    const asked: string[] = [];
    const checkpoint = new streams_pb.ReadResp().setCheckpoint(
      new streams_pb.ReadResp.Checkpoint().setCommitPosition("99").setPreparePosition("99"),
    );
    const url = await following((call) => {
      const all = call.request.getOptions()?.getAll();
      asked.push(all?.getPosition()?.getCommitPosition() ?? "start");
      const next = asked.length;
      call.write(readEvent("others-1", "0"));
      if (next <= 4) call.write(readEvent("user-u", String(next)));
      // Ahead of what was handled: not where to go on.
      call.write(checkpoint);
      if (next === 1) call.end();
      else if (next < 4) call.emit("error", failure(status.CANCELLED, "shutting down"));
    });
    const log = open(url);
    const positions: number[] = [];
    await new Promise<void>((resolve, reject) => {
      const subscription = log.subscribe(noPosition, {
        onEvents: (events) => {
          positions.push(...events.map(({ position }) => position));
          if (positions.length < 4) return;
          subscription.stop();
          resolve();
        },
        onFailure: reject,
      });
    });
    expect(positions).toEqual([1, 2, 3, 4]);
    expect(asked).toEqual(["start", "1", "2", "3"]);
  });

  it("hands over fewer of large events at once, all of them, and in their order", async () => {
    const [count, large] = [400, JSON.stringify("x".repeat(64 * 1024))];
    let readAhead: () => void = () => undefined;
    const hasReadAhead = new Promise<void>((resolve) => (readAhead = resolve));
    const url = await following((call) => {
      for (let position = 6; position < 6 + count; position += 1)
        call.write(readEvent("user-u", String(position), undefined, large), () => {
          if (position === 206) readAhead();
        });
    });
    const log = open(url);
    const batches: (readonly number[])[] = [];
    await new Promise<void>((resolve, reject) => {
      const subscription = log.subscribe(asPosition(5), {
        onEvents: async (events) => {
          batches.push(events.map(({ position }) => position));
          // The client goes on meanwhile, and has more than a batch may hold.
          await hasReadAhead;
          if (batches.flat().length < count) return;
          subscription.stop();
          resolve();
        },
        onFailure: reject,
      });
    });
    expect(batches.flat()).toEqual(Array.from({ length: count }, (_, index) => index + 6));
    expect(Math.max(...batches.map(({ length }) => length))).toBeLessThanOrEqual(128);
  });
});
