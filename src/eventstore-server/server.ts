/**
 * The log as EventStoreDB's gRPC API serves it: ServerFeatures, Gossip and Streams (Read; Append and BatchAppend where
 * it is writable). Its official clients read, follow and audit an embedded Parley with it unchanged.
 *
 * A position p of the log is commit = prepare = p. Links, projections, persistent subscriptions and deletes do not exist.
 */
import { randomUUID } from "node:crypto";
import { Server, ServerCredentials, status, type sendUnaryData } from "@grpc/grpc-js";
import type { EventLog } from "../commands/ports.js";
import { within } from "../lib/time.js";
import { checkExposure, createCheck, type Check } from "./access.js";
import { append } from "./append.js";
import { batchAppend, type BatchCall } from "./batch.js";
import { accessDenied, CallError, callErrorOf, stopping, unsupported } from "./errors.js";
import {
  features,
  gossip,
  GossipService,
  PersistentSubscriptionsService,
  ServerFeaturesService,
  shared,
  type streams,
  StreamsService,
} from "./proto.js";
import { read } from "./read.js";
import { sinkOf, type ReadCall } from "./sink.js";

export type EventStoreServerOptions = {
  readonly log: EventLog;
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
  /** Needed by every call but ServerFeatures and Gossip, for which official clients send none. */
  readonly token?: string;
  /** Whether clients may append; else Append and BatchAppend are denied. */
  readonly writable: boolean;
  /** PEM. Without it the port speaks plaintext, over which the JavaScript client sends no credentials. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Something unexpected ended a call. */
  readonly onProblem: (error: Error) => void;
};

export type EventStoreServer = {
  readonly port: number;
  /** esdb://HOST:PORT?tls=… */
  readonly url: string;
  /** Ends every read and subscription with UNAVAILABLE, waits a moment for appends in flight, then closes. Repeatable. */
  readonly close: () => Promise<void>;
};

/** Clients send batches of 3 MiB; what is in them is bounded again. */
const receiveBytesMax = 4 * 1024 * 1024;
/** Reads, subscriptions and batches at once, of all clients. */
const callsMax = 512;
const callsPerConnectionMax = 256;
/** What appends in flight may take at the end. */
const closeMsMax = 1_000;
/** The version whose behaviour is mirrored: clients choose their calls by it. */
const serverVersion = "24.10.0";

/**
 * @throws (rejects) Error for a host other than loopback without a token, or writable there without TLS, and when the
 * port cannot be had.
 */
export const startEventStoreServer = async (options: EventStoreServerOptions): Promise<EventStoreServer> => {
  const { host, port, token, tls } = options;
  checkExposure(options);
  const server = new Server({
    "grpc.max_receive_message_length": receiveBytesMax,
    "grpc.max_concurrent_streams": callsPerConnectionMax,
  });
  const calls = createCalls();
  const place = { host, port };
  addStreams(server, options, createCheck(token), calls);
  addFeatures(server, place);
  addRefusals(server);
  place.port = await bind(server, options);
  let closing: Promise<void> | undefined;
  return {
    port: place.port,
    url: `esdb://${host.includes(":") ? `[${host}]` : host}:${place.port}?tls=${tls !== undefined}`,
    close: () => (closing ??= close(server, calls)),
  };
};

const bind = (server: Server, { host, port, tls }: EventStoreServerOptions): Promise<number> =>
  new Promise((resolve, reject) => {
    const credentials =
      tls === undefined
        ? ServerCredentials.createInsecure()
        : ServerCredentials.createSsl(null, [{ private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.cert) }]);
    server.bindAsync(`${host.includes(":") ? `[${host}]` : host}:${port}`, credentials, (error, bound) => {
      if (error === null) resolve(bound);
      else
        reject(
          new Error(
            `Parley cannot serve the log on ${host}:${port}: the port is in use or the address is not this machine's. ` +
              "Stop what uses it, or choose another with --eventstore-port (0 takes a free one).",
            { cause: error },
          ),
        );
    });
  });

const close = async (server: Server, calls: Calls): Promise<void> => {
  calls.end();
  const shutDown = new Promise<void>((resolve) => {
    server.tryShutdown(() => {
      resolve();
    });
  });
  await within(shutDown, closeMsMax, () => undefined);
  server.forceShutdown();
};

/** What is going on, bounded, so that it can be ended. */
type Calls = {
  /** Adds what ends a call; answers what forgets it. @throws CallError when there are too many, or the server stops. */
  readonly add: (end: () => void) => () => void;
  readonly end: () => void;
};

const createCalls = (): Calls => {
  const open = new Set<() => void>();
  let ended = false;
  return {
    add: (end) => {
      if (ended) throw stopping();
      if (open.size >= callsMax)
        throw new CallError(status.RESOURCE_EXHAUSTED, `${callsMax} reads and subscriptions are open already.`);
      open.add(end);
      return () => open.delete(end);
    },
    end: () => {
      ended = true;
      for (const end of [...open]) end();
    },
  };
};

const addStreams = (server: Server, options: EventStoreServerOptions, check: Check, calls: Calls): void => {
  const { log, onProblem } = options;
  const report = (error: unknown): CallError => {
    const problem = callErrorOf(error);
    if (problem.code === status.INTERNAL) onProblem(error instanceof Error ? error : problem);
    return problem;
  };
  const checkWritable = (): void => {
    if (!options.writable)
      throw accessDenied(status.PERMISSION_DENIED, "This log is served for reading; only Parley writes to it.");
  };
  // Reads answer with bytes that are encoded already.
  const definition = {
    ...StreamsService,
    read: { ...StreamsService.read, responseSerialize: (bytes: Buffer) => bytes },
  };
  server.addService(definition, {
    read: (call: ReadCall) => {
      const sink = sinkOf(call);
      try {
        check(call.metadata);
        sink.onEnd(
          calls.add(() => {
            sink.fail(stopping());
          }),
        );
        void read(log, call, sink, report);
      } catch (error) {
        sink.fail(report(error));
      }
    },
    append: (call: Parameters<typeof append>[1], answer: Parameters<typeof append>[2]) => {
      try {
        check(call.metadata);
        checkWritable();
        const done = calls.add(() => undefined);
        void append(log, call, answer, report).finally(done);
      } catch (error) {
        answer(report(error));
      }
    },
    batchAppend: (call: BatchCall) => {
      const sink = sinkOf<InstanceType<typeof streams.BatchAppendResp>>(call);
      try {
        check(call.metadata);
        checkWritable();
        void batchAppend(call, { log, sink, report, register: calls.add });
      } catch (error) {
        sink.fail(report(error));
      }
    },
    delete: refuse("deletes"),
    tombstone: refuse("tombstones"),
  });
};

type Answer = (call: unknown, answer: sendUnaryData<never>) => void;

const refuse =
  (what: string): Answer =>
  (_, answer) => {
    answer(unsupported(what));
  };

const addRefusals = (server: Server): void => {
  const what = "persistent subscriptions";
  server.addService(PersistentSubscriptionsService, {
    create: refuse(what),
    update: refuse(what),
    delete: refuse(what),
    getInfo: refuse(what),
    replayParked: refuse(what),
    list: refuse(what),
    restartSubsystem: refuse(what),
    read: (call: BatchCall) => void call.emit("error", unsupported(what)),
  });
};

const addFeatures = (server: Server, place: { readonly host: string; readonly port: number }): void => {
  const served = [StreamsService.read, StreamsService.append, StreamsService.batchAppend];
  const methods = served.map(({ path }) => {
    const [, service = "", method = ""] = path.toLowerCase().split("/");
    return new features.SupportedMethod().setServiceName(service).setMethodName(method);
  });
  server.addService(ServerFeaturesService, {
    getSupportedMethods: (_: unknown, answer: sendUnaryData<InstanceType<typeof features.SupportedMethods>>) => {
      answer(null, new features.SupportedMethods().setEventStoreServerVersion(serverVersion).setMethodsList(methods));
    },
  });
  const instance = randomUUID();
  server.addService(GossipService, {
    read: (_: unknown, answer: sendUnaryData<InstanceType<typeof gossip.ClusterInfo>>) => {
      const member = new gossip.MemberInfo()
        .setInstanceId(new shared.UUID().setString(instance))
        .setTimeStamp(String(Date.now()))
        .setState(gossip.MemberInfo.VNodeState.LEADER)
        .setIsAlive(true)
        .setHttpEndPoint(new gossip.EndPoint().setAddress(place.host).setPort(place.port));
      answer(null, new gossip.ClusterInfo().setMembersList([member]));
    },
  });
};
