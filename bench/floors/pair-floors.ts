import { messageFrame } from "../load/chat.js";
import type { Times } from "../load/measure.js";
import type { Pace } from "../load/pace.js";
import { pairCount } from "../load/pair-chat.js";
import type { BenchContext, Figures } from "../scenario.js";
import { startEcho } from "./echo.js";
import { startRelay } from "./relay.js";

/** What `pairs` is compared with, from the least to the most that a server may do less than Parley. */
export const pairFloors = {
  echo: "frames: raw uWebSockets.js echo, same sockets, senders, pace and frame",
  relay: "a chat without promises: uWebSockets.js, one JSON parse, to the peer and an ack, a write for each frame",
  durableRelay:
    "the least that keeps “durable before ack”: the same with one write and fdatasync for what waits, then ack, own copy and delivery, a write for each socket and commit",
} as const;
export type PairFloor = keyof typeof pairFloors;

type Running = { readonly measure: (pace: Pace, times: Times) => Promise<Figures>; readonly stop: () => Promise<void> };

/** Runs `use` with all of them at hand: one starts when it is measured first, and idles while another one is measured. */
export const withPairFloors = async <A>(
  context: BenchContext,
  use: (floors: Readonly<Record<PairFloor, Running["measure"]>>) => Promise<A>,
): Promise<A> => {
  const running = new Map<PairFloor, Running>();
  const lazily =
    (name: PairFloor, start: () => Promise<Running>): Running["measure"] =>
    async (pace, times) => {
      const floor = running.get(name) ?? (await start());
      running.set(name, floor);
      return floor.measure(pace, times);
    };
  try {
    return await use({
      echo: lazily("echo", () => startPairEcho(context)),
      relay: lazily("relay", () => startRelay(context, "relay")),
      durableRelay: lazily("durableRelay", () => startRelay(context, "durable-relay")),
    });
  } finally {
    for (const { stop } of running.values()) await stop();
  }
};

const startPairEcho = async (context: BenchContext): Promise<Running> => {
  const echo = await startEcho(context);
  const common = { sockets: 2 * pairCount, senders: pairCount, frame: messageFrame(`d_${"e".repeat(22)}`) };
  return { measure: (pace, times) => echo.measure({ ...common, ...times, pace }), stop: echo.stop };
};
