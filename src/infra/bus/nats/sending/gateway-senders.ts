import { randomUUID } from "node:crypto";
import type { Ask } from "./ask.js";
import type { NatsBusLimits } from "../limits.js";
import type { LivingGateways } from "./living-gateways.js";
import { createGatewaySender, type GatewaySender } from "./gateway-sender.js";
import type { Heartbeat, Subjects } from "../subjects.js";

/** One for each gateway that this process has had anything for. */
export type GatewaySenders = {
  readonly of: (gatewayId: string) => GatewaySender;
  readonly known: () => readonly string[];
  readonly heard: (heartbeat: Heartbeat) => void;
  readonly queued: () => { readonly gateways: number; readonly frames: number; readonly bytes: number };
  readonly stop: () => void;
};

export const createGatewaySenders = (options: {
  readonly greets?: boolean;
  readonly senderId: string;
  readonly subjects: Subjects;
  readonly ask: Ask;
  readonly living: LivingGateways;
  readonly requestBytesMax: () => number;
  readonly limits: NatsBusLimits;
  readonly onProblem: (error: Error) => void;
  readonly metrics: {
    readonly delivered: (frames: number) => void;
    readonly retried: () => void;
    readonly gaveUp: (gatewayId: string, frames: number) => void;
    readonly hole: () => void;
  };
}): GatewaySenders => {
  const { living, metrics, subjects } = options;
  const gatewaySenders = new Map<string, { readonly gatewaySender: GatewaySender; readonly madeAtMs: number }>();
  const left = new Set<string>();
  // A process that starts again under its name counts from 1 again, and must not be taken for repeating itself.
  const start = randomUUID();
  let made = 0;

  const of = (gatewayId: string): GatewaySender => {
    const known = gatewaySenders.get(gatewayId);
    if (known !== undefined) return known.gatewaySender;
    made++;
    const gatewaySender = createGatewaySender({
      ...options,
      subject: subjects.deliver(gatewayId),
      // One that is made again after it was forgotten counts from 1: to the gateway it is another sender.
      sender: `${options.senderId}.${start}.${made}`,
      living: () => living.has(gatewayId),
      metrics: {
        ...metrics,
        gaveUp: (frames) => {
          metrics.gaveUp(gatewayId, frames);
        },
      },
    });
    gatewaySenders.set(gatewayId, { gatewaySender, madeAtMs: performance.now() });
    return gatewaySender;
  };

  /** Those that said goodbye, and those not heard for long; never one that frames still wait for. */
  const sweep = (): void => {
    for (const [gatewayId, { gatewaySender, madeAtMs }] of gatewaySenders) {
      const silentMs = living.silentMs(gatewayId) ?? performance.now() - madeAtMs;
      if (gatewaySender.queued().frames > 0 || (!left.has(gatewayId) && silentMs <= options.limits.forgetMs)) continue;
      gatewaySender.stop();
      gatewaySenders.delete(gatewayId);
    }
    left.clear();
  };
  const sweeping = setInterval(sweep, options.limits.livingMs);
  sweeping.unref();

  return {
    of,
    known: () => [...gatewaySenders.keys()],
    heard: ({ gatewayId, state }) => {
      if (state === "leaving") {
        left.add(gatewayId);
        return;
      }
      left.delete(gatewayId);
      gatewaySenders.get(gatewayId)?.gatewaySender.heard();
      // A sender of ephemeral frames alone has none, and nothing that could be missed.
      if (options.greets ? !gatewaySenders.has(gatewayId) || state === "starting" : state === "starting" && made > 0)
        of(gatewayId).greet();
    },
    queued: () => {
      const queued = [...gatewaySenders.values()]
        .map(({ gatewaySender }) => gatewaySender.queued())
        .filter(({ frames }) => frames > 0);
      const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
      return {
        gateways: queued.length,
        frames: sum(queued.map(({ frames }) => frames)),
        bytes: sum(queued.map(({ bytes }) => bytes)),
      };
    },
    stop: () => {
      clearInterval(sweeping);
      for (const { gatewaySender } of gatewaySenders.values()) gatewaySender.stop();
      gatewaySenders.clear();
    },
  };
};
