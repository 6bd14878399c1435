import type { NatsConnection, Subscription } from "nats";
import { E } from "../../../../domain/kernel/fp.js";
import type { DeviceId, UserId } from "../../../../domain/kernel/ids.js";
import type { Delivery } from "../../../../projections/ports/bus.js";
import { guarded, listen, type Nats } from "../../../engines/nats.js";
import { decodeRequest, type BusItem, type BusRequest } from "../codec.js";
import { natsBusLimits, type NatsBusLimits } from "../limits.js";
import { createSenderCounts } from "./sender-counts.js";
import { decodeReplaced, encodeSmall, subjectsOf, type Heartbeat, type Replaced } from "../subjects.js";

/** Why frames may have gone past this gateway's connections. `stall`: this process stood still for seconds. */
export type MissedReason = "hole" | "new sender" | "reconnect" | "stall";

export type GatewayReceiver = {
  /** Resolves when frames arrive, which is when NATS is there. Rejects with StoreUnavailable when `close` came first. */
  readonly ready: Promise<void>;
  /** Says goodbye to the senders, so that none waits for this gateway's answers. Close the sockets before. */
  readonly close: () => Promise<void>;
};

export type GatewayReceiverOptions = {
  readonly nats: Nats;
  readonly cell: string;
  readonly gatewayId: string;
  /** All callbacks are synchronous: a request is answered when its frames are in the outboxes, so no inbox grows here. */
  readonly onDeliver: (deliveries: readonly Delivery[]) => void;
  readonly onDisconnect: (userId: UserId, deviceId: DeviceId) => void;
  readonly onReplaced: (connection: Replaced) => void;
  /** The connections have to sync and to be registered again. Comes before the frames that follow the gap. */
  readonly onMissed: (reason: MissedReason) => void;
  readonly onProblem: (error: Error) => void;
  readonly metrics?: {
    readonly taken: (items: number) => void;
    readonly duplicate: () => void;
    readonly malformed: () => void;
  };
  readonly limits?: Partial<NatsBusLimits>;
};

/** Takes what senders have for this gateway's connections. Call it before the first connection is accepted. */
export const receiveForGateway = (options: GatewayReceiverOptions): GatewayReceiver => {
  const { nats, gatewayId, metrics, onProblem } = options;
  const limits = { ...natsBusLimits, ...options.limits };
  const subjects = subjectsOf(options.cell);
  const takeRequest = createTake(options, limits);
  const startedAtMs = performance.now();
  let subscriptions: readonly Subscription[] = [];
  let closed = false;

  const beat = (state: Heartbeat["state"]): void => {
    // What is published while NATS is away is kept for a moment and lost then; the next heartbeat is as good.
    if (nats.connected()) nats.current()?.publish(subjects.gateways, encodeSmall({ gatewayId, state }));
  };

  const malformed = (subject: string, reason: string): void => {
    metrics?.malformed();
    onProblem(new Error(`${subject}: ${reason}`));
  };

  const onRequest = (data: Uint8Array, reply: (data: Uint8Array) => void): void => {
    const request = decodeRequest(data);
    if (E.isLeft(request)) {
      reply(encodeSmall({ refused: request.left }));
      malformed(subjects.deliver(gatewayId), request.left);
    } else {
      reply(encodeSmall({ taken: takeRequest(request.right) }));
    }
  };
  const onEphemeral = (data: Uint8Array): void => {
    const request = decodeRequest(data);
    if (E.isLeft(request)) malformed(subjects.ephemeral(gatewayId), request.left);
    else options.onDeliver(request.right.items.flatMap((item) => asDelivery(item, true)));
  };
  const onReplaced = (data: Uint8Array): void => {
    const replaced = decodeReplaced(data);
    if (replaced === undefined) malformed(subjects.replaced(gatewayId), "it cannot be read");
    else options.onReplaced(replaced);
  };

  const start = (connection: NatsConnection): void => {
    const on = (subject: string, onMessage: Parameters<typeof listen>[2]) =>
      listen(connection, subject, onMessage, onProblem);
    subscriptions = [
      on(subjects.deliver(gatewayId), onRequest),
      on(subjects.ephemeral(gatewayId), onEphemeral),
      on(subjects.replaced(gatewayId), onReplaced),
      on(subjects.rollCall, () => {
        beat("alive");
      }),
    ];
    // On the same connection: a sender that hears it finds the subscriptions made.
    beat("starting");
  };

  const missed = (reason: MissedReason): void => {
    guarded(() => {
      options.onMissed(reason);
    }, onProblem);
  };
  const offReconnect = nats.onReconnect(() => {
    beat("alive");
    missed("reconnect");
  });

  let beatAt = performance.now();
  const beating = setInterval(() => {
    const stoodStillMs = performance.now() - beatAt - limits.heartbeatMs;
    beatAt = performance.now();
    beat("alive");
    if (stoodStillMs >= limits.stallMs) missed("stall");
  }, limits.heartbeatMs);
  beating.unref();

  const begin = async (): Promise<void> => {
    const present = nats.current();
    if (present !== undefined) {
      start(present);
      await arrived(nats, present);
      return;
    }
    const connection = await nats.connection;
    if (closed) return;
    start(connection);
    // So late, connections were accepted before there was a bus.
    if (performance.now() - startedAtMs > limits.startMs) missed("reconnect");
    await arrived(nats, connection);
  };
  const ready = begin();
  // Callers that need it await it; a gateway accepts messages without a bus.
  ready.catch(() => undefined);

  return {
    ready,
    close: async () => {
      if (closed) return;
      closed = true;
      clearInterval(beating);
      offReconnect();
      beat("leaving");
      // The first: no request is half handed over, since callbacks are synchronous.
      for (const subscription of subscriptions) if (!subscription.isClosed()) subscription.unsubscribe();
      if (nats.connected()) await nats.ping().catch(onProblem);
    },
  };
};

/** Hands a request over unless it was before; answers the last counter taken of its sender. */
const createTake = (options: GatewayReceiverOptions, limits: NatsBusLimits): ((request: BusRequest) => number) => {
  const { metrics, onProblem } = options;
  const senders = createSenderCounts({
    startedAtMs: performance.now(),
    startMs: limits.startMs,
    forgetMs: limits.forgetMs,
    max: limits.sendersMax,
  });

  /** Runs of frames at once, in the order given. */
  const handOver = (items: readonly BusItem[]): void => {
    let run: Delivery[] = [];
    const flush = () => {
      if (run.length > 0) options.onDeliver(run);
      run = [];
    };
    for (const item of items) {
      run.push(...asDelivery(item, false));
      if (item.kind === "frame") continue;
      flush();
      options.onDisconnect(item.userId, item.deviceId);
    }
    flush();
  };

  return ({ sender, counter, items }) => {
    const sight = senders.see(sender, counter, performance.now());
    switch (sight) {
      case "probe":
        break;
      case "duplicate":
        metrics?.duplicate();
        break;
      case "hole":
      case "new sender":
      case "next": {
        const done = guarded(() => {
          if (sight !== "next") options.onMissed(sight);
          handOver(items);
        }, onProblem);
        // Half of it may be in the outboxes: repeating would double that, so the connections sync.
        if (!done)
          guarded(() => {
            options.onMissed("hole");
          }, onProblem);
        metrics?.taken(items.length);
        break;
      }
    }
    return senders.taken(sender);
  };
};

const asDelivery = (item: BusItem, ephemeral: boolean): readonly Delivery[] => {
  if (item.kind === "gone") return [];
  const { recipients, frame, exceptDeviceId } = item;
  return [
    {
      recipients,
      frame,
      ...(exceptDeviceId === undefined ? {} : { exceptDeviceId }),
      ...(ephemeral ? { ephemeral: true as const } : {}),
    },
  ];
};

/** Resolves when the server has what was sent; subscriptions that a disconnect swallowed are made again by the reconnect. */
const arrived = async (nats: Nats, connection: NatsConnection): Promise<void> => {
  try {
    await connection.flush();
  } catch {
    await new Promise<void>((resolve) => {
      const off = nats.onReconnect(() => {
        off();
        resolve();
      });
    });
  }
};
