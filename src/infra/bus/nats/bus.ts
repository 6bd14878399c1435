import type { UserId } from "../../../domain/kernel/ids.js";
import type { Bus, Delivery } from "../../../projections/ports/bus.js";
import { asError } from "../../../lib/errors.js";
import { within } from "../../../lib/time.js";
import type { Nats } from "../../engines/nats.js";
import { createAsk } from "./sending/ask.js";
import { countThatFits, encodeGone, encodeRequest, requestOverheadBytes, type EncodedItem } from "./codec.js";
import { natsBusLimits, type NatsBusLimits } from "./limits.js";
import { listenForLivingGateways } from "./sending/living-gateways.js";
import { createGatewaySenders } from "./sending/gateway-senders.js";
import { createLossyPublish } from "./sending/publish.js";
import { routeTo, type GatewaysOf } from "./sending/route.js";
import { encodeSmall, subjectsOf, type Replaced } from "./subjects.js";

export type NatsBus = Omit<Bus, "deliver"> & {
  /**
   * Resolves when every gateway concerned has taken the frames or was given up; never rejects. A conversation's frames
   * keep the order of the calls, for each gateway. One call also waits for the `disconnect`s before it. After `stop` it
   * stays pending: what was not answered must not be behind a checkpoint.
   */
  readonly deliver: (deliveries: readonly Delivery[]) => Promise<void>;
  /** Tells the gateway to close a connection that was replaced. May be lost: the registry's renewal says it again. */
  readonly closeReplaced: (gatewayId: string, connection: Replaced) => void;
  /** What waits: frames for gateways, and bytes of those and of what is being looked up. */
  readonly queued: () => { readonly gateways: number; readonly frames: number; readonly bytes: number };
  /** Waits for what is under way, for two seconds at most. */
  readonly stop: () => Promise<void>;
};

/** Each may be called on the hot path. */
export type NatsBusMetrics = {
  readonly delivered: (frames: number) => void;
  readonly retried: () => void;
  readonly gaveUp: (gatewayId: string, frames: number) => void;
  /** A number left out in a gateway's count, which will have its devices sync. */
  readonly hole: () => void;
  /** The registry could not be asked: everything goes to every living gateway. */
  readonly broadcast: () => void;
  readonly ephemeralDropped: (frames: number) => void;
};

export type NatsBusOptions = {
  readonly nats: Nats;
  readonly cell: string;
  /** Says in traces whose frames these are; each start of a process is told apart by itself. */
  readonly senderId: string;
  readonly gatewaysOf: GatewaysOf;
  /**
   * Counts for every gateway from its first sign of life on: what was for all of them and missed one that was not heard
   * of yet shows there as a new sender.
   */
  readonly greets?: boolean;
  readonly onProblem: (error: Error) => void;
  readonly metrics: NatsBusMetrics;
  readonly limits?: Partial<NatsBusLimits>;
};

/** The bus of many processes: frames for gateways by request and reply over NATS (DESIGN §5). */
export const createNatsBus = (options: NatsBusOptions): NatsBus => {
  const { nats, metrics, onProblem } = options;
  const limits = { ...natsBusLimits, ...options.limits };
  const subjects = subjectsOf(options.cell);
  const itemsBytesMax = () =>
    Math.min(limits.requestBytesMax, nats.current()?.info?.max_payload ?? limits.requestBytesMax) -
    requestOverheadBytes;
  const publish = createLossyPublish({ nats, bytesMax: limits.ephemeralBytesMax });
  const ask = createAsk(nats, limits.answerMs);
  const living = listenForLivingGateways({
    nats,
    subjects,
    limits,
    onProblem,
    onHeartbeat: (heartbeat) => {
      gatewaySenders.heard(heartbeat);
    },
  });
  const gatewaySenders = createGatewaySenders({
    ...options,
    limits,
    subjects,
    ask,
    living,
    requestBytesMax: itemsBytesMax,
  });
  const everywhere = () => [...new Set([...living.gateways(), ...gatewaySenders.known()])];

  const underWay = new Set<Promise<void>>();
  let lookupBytes = 0;
  /** Resolves when all calls so far are in the queues: their results are applied in this order. */
  let turn: Promise<unknown> = Promise.resolve();
  let disconnects: Promise<void> = Promise.resolve();
  let stopped = false;

  const sendEphemeral = (gatewayId: string, items: readonly EncodedItem[]): void => {
    for (let rest = items; rest.length > 0;) {
      const count = countThatFits(rest, ({ bytes }) => bytes, itemsBytesMax());
      const sent = publish(subjects.ephemeral(gatewayId), encodeRequest("", 0, rest.slice(0, count)));
      if (!sent) metrics.ephemeralDropped(count);
      rest = rest.slice(count);
    }
  };

  /** Undefined gateways: the registry is away. Answers when all is taken or given up. */
  const route = (deliveries: readonly Delivery[], places: ReadonlyMap<UserId, readonly string[]> | undefined) => {
    if (places === undefined) metrics.broadcast();
    const to = places ?? everywhere();
    const isEphemeral = ({ ephemeral }: Delivery) => ephemeral === true;
    for (const [gatewayId, items] of routeTo(deliveries.filter(isEphemeral), to, itemsBytesMax()))
      sendEphemeral(gatewayId, items);
    const counted = routeTo(
      deliveries.filter((delivery) => !isEphemeral(delivery)),
      to,
      itemsBytesMax(),
    );
    return Promise.all([...counted].map(([gatewayId, items]) => gatewaySenders.of(gatewayId).push(items)));
  };

  const tracked = (work: Promise<void>): Promise<void> => {
    underWay.add(work);
    return work.finally(() => underWay.delete(work));
  };

  const leaveHoles = (): void => {
    for (const gatewayId of everywhere()) gatewaySenders.of(gatewayId).leaveHole();
  };

  /** Puts something into the queues when all calls before have, and waits for the answers. */
  const inTurn = async (put: () => Promise<{ readonly answered: Promise<unknown> }>): Promise<void> => {
    const routed = turn.then(put).catch((error: unknown) => {
      onProblem(asError(error));
      leaveHoles();
      return { answered: Promise.resolve() };
    });
    turn = routed;
    await (
      await routed
    ).answered;
  };

  const lookUp = async (deliveries: readonly Delivery[]) => {
    try {
      return await options.gatewaysOf([...new Set(deliveries.flatMap(({ recipients }) => recipients))]);
    } catch {
      return undefined;
    }
  };

  const deliverLookedUp = (deliveries: readonly Delivery[], bytes: number): Promise<void> => {
    lookupBytes += bytes;
    const found = lookUp(deliveries);
    return inTurn(async () => {
      const places = await found;
      lookupBytes -= bytes;
      return { answered: route(deliveries, places) };
    });
  };

  /** Too much is being looked up: every gateway gets a hole in place of the frames. */
  const lose = (deliveries: readonly Delivery[]): void => {
    onProblem(new Error(`bus: ${deliveries.length} frames dropped: too many wait for the registry`));
    metrics.gaveUp("*", deliveries.length);
    leaveHoles();
  };

  return {
    deliver: async (deliveries) => {
      if (stopped) return new Promise(() => undefined);
      const before = disconnects;
      const bytes = deliveries.reduce((sum, { frame, recipients }) => sum + frame.length + recipients.length * 32, 0);
      if (lookupBytes + bytes > limits.lookupBytesMax) lose(deliveries);
      else if (deliveries.length > 0) await tracked(deliverLookedUp(deliveries, bytes));
      await before;
    },
    // Not known here: frames are made for every user who may be connected.
    connected: () => true,
    disconnect: (userId, deviceId) => {
      const item = encodeGone(userId, deviceId);
      const told = inTurn(() => {
        const answers = everywhere().map((gatewayId) => gatewaySenders.of(gatewayId).push([item]));
        return Promise.resolve({ answered: Promise.all(answers) });
      });
      disconnects = tracked(Promise.all([disconnects, told]).then(() => undefined));
    },
    closeReplaced: (gatewayId, { connectionId, userId, deviceId }) => {
      publish(subjects.replaced(gatewayId), encodeSmall({ connectionId, userId, deviceId }));
    },
    queued: () => {
      const queued = gatewaySenders.queued();
      return { ...queued, bytes: queued.bytes + lookupBytes };
    },
    stop: async () => {
      stopped = true;
      await within(Promise.allSettled(underWay), limits.stopMs, () => undefined);
      gatewaySenders.stop();
      living.stop();
    },
  };
};
