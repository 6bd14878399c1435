import { setTimeout as sleep } from "node:timers/promises";
import { pairFloors, withPairFloors, type PairFloor } from "../floors/pair-floors.js";
import { figure, floorTimesOf, timesOf } from "../load/measure.js";
import type { Pace } from "../load/pace.js";
import { measurePairs, pairCount, placeOf, startPairs } from "../load/pair-chat.js";
import { goal, row, type Figures, type Goal, type Row, type Scenario } from "../scenario.js";
import { residentMB } from "../server/memory.js";
import { hasProc } from "../server/threads.js";
import { between, withParley } from "./with-floor.js";

type Floors = Readonly<Record<PairFloor, Figures>>;
type Variant = {
  readonly name: string;
  readonly pace: Pace;
  readonly goalsOf: (figures: Figures, floors: Floors) => readonly Goal[];
};

const variants: readonly Variant[] = [
  { name: "window 1", pace: { window: 1 }, goalsOf: () => [] },
  {
    name: "window 8",
    pace: { window: 8 },
    goalsOf: (figures, { relay }) => [
      goal("messages/s of the relay", share(figures, relay, "messagesPerSecond"), { atLeast: 0.13, aim: 0.15 }),
      ...goalsIn(figures, "cpuMicrosecondsPerMessage", { says: "µs of CPU a message, catch-up counted", atMost: 80 }),
      ...goalsIn(figures, "rssIdleMB", { says: "MB resident after the start", atMost: 120 }),
      ...goalsIn(figures, "rssAfterLoadMB", { says: "MB resident after this load", atMost: 350, aim: 280 }),
    ],
  },
  {
    name: "1,000 a second",
    pace: { perSecond: 1_000 },
    goalsOf: (figures, { durableRelay }) => [
      goal("ms until 99 % have their ack", figure(figures, "ackP99Ms"), { atMost: 8.9, aim: 6 }),
      ...(hasProc
        ? [
            goal("times the CPU of the durable relay", share(figures, durableRelay, "cpuMicrosecondsPerMessage"), {
              atMost: 2.6,
            }),
          ]
        : []),
    ],
  },
];

const share = (figures: Figures, floor: Figures, name: string): number => figure(figures, name) / figure(floor, name);

/** Nothing where the system does not tell the figure. */
const goalsIn = (
  figures: Figures,
  name: string,
  { says, ...bounds }: { says: string; atMost: number; aim?: number },
): readonly Goal[] => {
  const value = figures[name];
  return value === undefined ? [] : [goal(says, value, bounds)];
};

/** Until what the start left behind is collected. */
const idleMs = 1_000;

/** 100 pairs in direct conversations: alice_i writes, durably acknowledged and delivered to bob_i before her next one. */
export const pairs: Scenario = {
  name: "pairs",
  summary: `${pairCount} pairs, 200-byte text, durable ack and delivery; ${variants.map(({ name }) => name).join(", ")}`,
  run: (context) =>
    withPairFloors(context, (floors) =>
      withParley(context, async (server) => {
        await sleep(idleMs);
        const idle = hasProc ? { rssIdleMB: residentMB([server]) } : {};
        const place = placeOf(server);
        const conversations = await startPairs(server);
        const rows: Row[] = [];
        for (const { name, pace, goalsOf } of variants) {
          context.say(`pairs: ${name}`);
          const times = floorTimesOf(context);
          const measured = await between(
            context,
            name,
            {
              echo: () => floors.echo(pace, times),
              relay: () => floors.relay(pace, times),
              durableRelay: () => floors.durableRelay(pace, times),
            },
            () => measurePairs(place, { ...timesOf(context), conversations, pace }),
          );
          const figures = { ...measured.figures, ...idle };
          rows.push(
            row({
              variant: name,
              figures,
              floors: {
                echo: { is: pairFloors.echo, figures: measured.floors.echo },
                relay: { is: pairFloors.relay, figures: measured.floors.relay },
                durableRelay: { is: pairFloors.durableRelay, figures: measured.floors.durableRelay },
              },
              goals: goalsOf(figures, measured.floors),
            }),
          );
        }
        return rows;
      }),
    ),
};
