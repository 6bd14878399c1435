import type { NatsConnection, Subscription } from "nats";
import { listen, type Nats } from "../../../engines/nats.js";
import type { NatsBusLimits } from "../limits.js";
import { decodeHeartbeat, type Heartbeat, type Subjects } from "../subjects.js";

export type LivingGateways = {
  /** Gateways whose heartbeats are heard. While this process hears nothing itself, none ceases to live. */
  readonly gateways: () => readonly string[];
  readonly has: (gatewayId: string) => boolean;
  /** Milliseconds since its last heartbeat; undefined when it was not heard, or left. */
  readonly silentMs: (gatewayId: string) => number | undefined;
  readonly stop: () => void;
};

/** Keeps a list of the cell's gateways by their heartbeats; a roll call fills it when the process starts. */
export const listenForLivingGateways = (options: {
  readonly nats: Nats;
  readonly subjects: Subjects;
  readonly limits: NatsBusLimits;
  readonly onHeartbeat: (heartbeat: Heartbeat) => void;
  readonly onProblem: (error: Error) => void;
}): LivingGateways => {
  const { nats, subjects, limits } = options;
  const heardAt = new Map<string, number>();
  let subscription: Subscription | undefined;
  let stopped = false;

  const silent = (at: number): number => performance.now() - at;
  const lives = (at: number): boolean => !nats.connected() || silent(at) <= limits.livingMs;

  const onMessage = (data: Uint8Array): void => {
    const heartbeat = decodeHeartbeat(data);
    if (heartbeat === undefined) {
      options.onProblem(new Error(`${subjects.gateways}: a heartbeat that cannot be read`));
      return;
    }
    if (heartbeat.state === "leaving") heardAt.delete(heartbeat.gatewayId);
    else heardAt.set(heartbeat.gatewayId, performance.now());
    for (const [gatewayId, at] of heardAt) if (silent(at) > limits.forgetMs) heardAt.delete(gatewayId);
    options.onHeartbeat(heartbeat);
  };

  const start = (connection: NatsConnection): void => {
    if (stopped) return;
    subscription = listen(connection, subjects.gateways, onMessage, options.onProblem);
    connection.publish(subjects.rollCall);
  };
  const current = nats.current();
  if (current !== undefined) start(current);
  else nats.connection.then(start).catch(options.onProblem);

  const offReconnect = nats.onReconnect(() => {
    for (const gatewayId of heardAt.keys()) heardAt.set(gatewayId, performance.now());
    if (nats.connected()) nats.current()?.publish(subjects.rollCall);
  });

  return {
    gateways: () => [...heardAt].flatMap(([gatewayId, at]) => (lives(at) ? [gatewayId] : [])),
    has: (gatewayId) => {
      const at = heardAt.get(gatewayId);
      return at !== undefined && lives(at);
    },
    silentMs: (gatewayId) => {
      const at = heardAt.get(gatewayId);
      return at === undefined ? undefined : silent(at);
    },
    stop: () => {
      stopped = true;
      offReconnect();
      subscription?.unsubscribe();
    },
  };
};
