import { backoffMs } from "../../../../lib/retry.js";
import { pause } from "../../../../lib/time.js";
import type { Answer, Ask } from "./ask.js";
import { countThatFits, encodeRequest, type EncodedItem } from "../codec.js";
import type { NatsBusLimits } from "../limits.js";

/**
 * What waits for one gateway: one request is under way, all that comes meanwhile is the next. Whatever is lost leaves a
 * hole in the count, which the gateway sees with the next request that it takes; one is sent for the hole's sake.
 */
export type GatewaySender = {
  /** Resolves when the gateway has taken all of these, or they were given up; never after `stop`, unless taken. */
  readonly push: (items: readonly EncodedItem[]) => Promise<void>;
  /** Something for this gateway was lost elsewhere. */
  readonly leaveHole: () => void;
  /** Counts one request without items: the gateway knows this sender early, while it has few sockets. */
  readonly greet: () => void;
  /** The gateway gave a sign of life: if it was given up, it is asked at once. */
  readonly heard: () => void;
  /** What waits or is under way. */
  readonly queued: () => { readonly frames: number; readonly bytes: number };
  /** Ends without telling a caller that frames were delivered which were not. */
  readonly stop: () => void;
};

export type GatewaySenderOptions = {
  readonly subject: string;
  /** Unique among all senders that ever were: counting starts at 1. */
  readonly sender: string;
  readonly ask: Ask;
  /** Of one request, now. */
  readonly requestBytesMax: () => number;
  readonly limits: NatsBusLimits;
  /** Whether its heartbeats are heard; one that neither is heard nor subscribed is not waited for. */
  readonly living: () => boolean;
  readonly onProblem: (error: Error) => void;
  readonly metrics: {
    readonly delivered: (items: number) => void;
    readonly retried: () => void;
    readonly gaveUp: (items: number) => void;
    readonly hole: () => void;
  };
};

type Entry = { readonly item: EncodedItem; readonly settle: (() => void) | undefined };
type Outcome = "taken" | "refused" | "given up";

export const createGatewaySender = (options: GatewaySenderOptions): GatewaySender => {
  const { subject, sender, ask, limits, metrics } = options;
  let queue: Entry[] = [];
  let bytes = 0;
  let underWay: readonly Entry[] = [];
  let counter = 0;
  /** A request that is due even when nothing waits. */
  let owed: "hole" | "greeting" | undefined;
  let givenUp = false;
  let running = false;
  const stopped = new AbortController();
  let sign = new AbortController();

  const lose = (entries: readonly Entry[]): void => {
    owed = "hole";
    if (entries.length > 0) metrics.gaveUp(entries.length);
    for (const { settle } of entries) settle?.();
  };

  const giveUp = (entries: readonly Entry[], reason: string): void => {
    if (!givenUp) options.onProblem(new Error(`${subject}: given up: ${reason}`));
    givenUp = true;
    const lost = [...queue, ...entries];
    queue = [];
    bytes = 0;
    lose(lost);
  };

  const nextRequest = (): Uint8Array => {
    underWay = queue.splice(0, countThatFits(queue, bytesOf, options.requestBytesMax()));
    for (const entry of underWay) bytes -= bytesOf(entry);
    if (owed === "hole") {
      counter++;
      metrics.hole();
    }
    owed = undefined;
    counter++;
    return encodeRequest(
      sender,
      counter,
      underWay.map(({ item }) => item),
    );
  };

  const sendNext = async (): Promise<void> => {
    const outcome = await untilAnswered(nextRequest(), counter);
    const entries = underWay;
    underWay = [];
    if (outcome === "taken") {
      metrics.delivered(entries.length);
      for (const { settle } of entries) settle?.();
    } else if (!stopped.signal.aborted) {
      if (outcome === "refused") lose(entries);
      else giveUp(entries, "no answer");
    }
  };

  /** The identical request again, so that a gateway whose answer was lost knows it. */
  const untilAnswered = async (request: Uint8Array, expected: number): Promise<Outcome> => {
    const giveUpAt = performance.now() + limits.giveUpMs;
    for (let failures = 0; ; failures += 1) {
      const answer = await ask(subject, request);
      if (answer.kind === "taken" && answer.upTo >= expected) return "taken";
      if (answer.kind === "refused") {
        options.onProblem(new Error(`${subject}: refused: ${answer.reason}`));
        return "refused";
      }
      if (givenUp || stopped.signal.aborted || isGone(answer, options.living())) return "given up";
      const pauseMs = backoffMs(failures, { msMin: limits.retryMs, msMax: limits.answerMs, steady: 0.5 });
      if (performance.now() + pauseMs >= giveUpAt) return "given up";
      metrics.retried();
      await pause(pauseMs, { stopped: stopped.signal, unref: true });
    }
  };

  const probe = async (): Promise<void> => {
    sign = new AbortController();
    await pause(backoffMs(0, { msMin: limits.probeMs, msMax: limits.probeMs, steady: 0.5 }), {
      stopped: sign.signal,
      unref: true,
    });
    if (stopped.signal.aborted) return;
    const answer = await ask(subject, encodeRequest(sender, 0, []));
    // What was dropped while this was asked comes before the hole that is sent now.
    if (answer.kind === "taken") givenUp = false;
  };

  const run = async (): Promise<void> => {
    running = true;
    try {
      while (!stopped.signal.aborted && (givenUp || owed !== undefined || queue.length > 0)) {
        if (givenUp) await probe();
        else await sendNext();
      }
    } finally {
      running = false;
    }
  };
  const kick = (): void => {
    if (!running && !stopped.signal.aborted) run().catch(options.onProblem);
  };

  const take = (entries: readonly Entry[]): void => {
    const more = entries.reduce((sum, entry) => sum + bytesOf(entry), 0);
    if (givenUp) {
      lose(entries);
    } else if (bytes + more > limits.queueBytesMax) {
      giveUp(entries, "too much waits for it");
    } else {
      bytes += more;
      for (const entry of entries) queue.push(entry);
    }
    kick();
  };

  return {
    push: (items) =>
      new Promise((resolve) => {
        const last = items.length - 1;
        if (last < 0) resolve();
        else if (!stopped.signal.aborted)
          take(items.map((item, index) => ({ item, settle: index === last ? resolve : undefined })));
      }),
    leaveHole: () => {
      owed = "hole";
      kick();
    },
    greet: () => {
      owed ??= "greeting";
      kick();
    },
    heard: () => {
      sign.abort();
    },
    queued: () => ({
      frames: queue.length + underWay.length,
      bytes: underWay.reduce((sum, entry) => sum + bytesOf(entry), bytes),
    }),
    stop: () => {
      stopped.abort();
      sign.abort();
    },
  };
};

const bytesOf = ({ item }: Entry): number => item.bytes;

const isGone = (answer: Answer, living: boolean): boolean => answer.kind === "absent" && !living;
