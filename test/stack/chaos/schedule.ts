/** What is done to a cluster in a chaos run: a seeded schedule, and how one fault of it is done. */
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "../../kit/device.js";
import type { Random } from "../../kit/random.js";
import type { ServerProcess } from "../../kit/server.js";
import { faultyServers, longMs, type Stage } from "../faults/faults-kit.js";

type Victim =
  | { readonly server: (typeof faultyServers)[number] }
  | { readonly role: "gateway" | "projector"; readonly index: number };
export type Fault = {
  readonly victim: Victim;
  /** SIGKILL and a start again, or SIGSTOP and SIGCONT. */
  readonly how: "kill" | "pause";
  /** After the round began. */
  readonly afterMs: number;
  /** Until it is started again or goes on. */
  readonly ms: number;
};
export type Round = readonly Fault[];

const victims: readonly Victim[] = [
  ...faultyServers.map((server) => ({ server })),
  ...(["gateway", "projector"] as const).flatMap((role) => [0, 1].map((index) => ({ role, index }))),
];
const kinds = victims.flatMap((victim) => (["kill", "pause"] as const).map((how) => ({ victim, how })));

/** Every victim is killed and paused in turn, in a shuffled order; every third round does two things at once. */
export const scheduleOf = (random: Random, rounds: number): readonly Round[] => {
  const order: (typeof kinds)[number][] = [];
  const next = () => {
    if (order.length === 0) {
      const rest = [...kinds];
      while (rest.length > 0) order.push(...rest.splice(random.int(rest.length), 1));
    }
    return order.pop() ?? random.pick(kinds);
  };
  const fault = (): Fault => ({ ...next(), afterMs: random.int(500), ms: 300 + random.int(5_000) });
  return Array.from({ length: rounds }, (_, i) => {
    const first = fault();
    if (i % 3 !== 2) return [first];
    // A process cannot be killed while it is killed; whatever else comes together may.
    const second = fault();
    return nameOf(second.victim) === nameOf(first.victim) ? [first] : [first, second];
  });
};

const nameOf = (victim: Victim): string => ("server" in victim ? victim.server : `${victim.role} ${victim.index}`);
export const told = (round: Round): string =>
  round.map(({ victim, how, ms }) => `${how} ${nameOf(victim)} ${ms} ms`).join(" + ");
/** What is told together: both gateways are of one kind, and a round of two faults is of none but its own. */
export const kindOf = (round: Round): string => {
  const [only, ...more] = round;
  if (only === undefined || more.length > 0) return "two at once";
  return `${only.how} ${"server" in only.victim ? only.victim.server : only.victim.role}`;
};
/** The gateways whose own clients a round cuts off. */
export const gatewaysOf = (round: Round): readonly number[] =>
  round.flatMap(({ victim }) => ("role" in victim && victim.role === "gateway" ? [victim.index] : []));

/** Does it, and undoes it; resolves when what was killed is there again. */
export const inflict = async (stage: Stage, { victim, how, afterMs, ms }: Fault): Promise<void> => {
  await sleep(afterMs);
  if ("server" in victim) {
    const { servers } = stage;
    if (how === "kill") await servers.kill(victim.server);
    else servers.pause(victim.server);
    await sleep(ms);
    if (how === "kill") await servers.startAgain(victim.server);
    else servers.resume(victim.server);
    return;
  }
  const { gateways, projectors } = stage.cluster;
  const process = (victim.role === "gateway" ? gateways : projectors)[victim.index];
  if (process === undefined) throw new Error(`there is no ${nameOf(victim)}`);
  if (how === "kill") await process.kill();
  else process.pause();
  await sleep(ms);
  if (how === "kill") await startAsASupervisorDoes(process);
  else process.resume();
};

/** Started until it stays, whatever else is away at that moment. */
const startAsASupervisorDoes = (process: ServerProcess): Promise<void> => {
  const started = (): Promise<boolean> =>
    process.start().then(
      () => true,
      () => false,
    );
  return eventually(started, "a process that was killed is started again", longMs);
};
