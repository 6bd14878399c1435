/** A consumer of the JetStream work queue: as many loops as handlers may run at once, each pulls a job and sees it through. */
import type { JobOutcome } from "../../../projections/ports/work-queue.js";
import { backoffMs } from "../../../lib/retry.js";
import { attemptJob, problemOf, type Handler, type WorkQueueOptions } from "../attempts.js";
import type { Link } from "./link.js";
import { pull } from "./pull.js";
import { headersOf, type Delivery } from "./wire.js";

const untilPulled = { msMin: 250, msMax: 5_000, steady: 1 };
/** An outcome that the server does not confirm is said again; after this many times the job may be given out again. */
const saidMax = 4;
const confirmMs = 2_000;

/** Goes on over reconnects and lost storage until `stop`, which waits for the handlers and for their outcomes to be known. */
export const startConsumer = (
  link: Link,
  handler: Handler,
  concurrency: number,
  options: Required<WorkQueueOptions>,
): { readonly stop: () => Promise<void> } => {
  const stopping = new AbortController();
  const loops = Array.from({ length: concurrency }, () => loop(link, handler, options, stopping.signal));
  return {
    stop: async () => {
      stopping.abort();
      await Promise.all(loops);
    },
  };
};

const loop = async (
  link: Link,
  handler: Handler,
  options: Required<WorkQueueOptions>,
  signal: AbortSignal,
): Promise<void> => {
  let failures = 0;
  while (!signal.aborted && !link.connection.isClosed()) {
    if (!link.up()) {
      await nextChange(link, signal);
      continue;
    }
    const pulled = await pull(link, signal);
    switch (pulled.kind) {
      case "job":
        failures = 0;
        await work(link, handler, pulled.delivery, options, signal);
        break;
      case "none":
        failures = 0;
        break;
      case "failed":
        options.onProblem(problemOf(`the work queue ${link.names.stream}`, pulled.error));
        await link.ensure().catch((error: unknown) => {
          options.onProblem(problemOf(`the streams of ${link.names.stream} cannot be made`, error));
        });
        await pause(backoffMs(failures++, untilPulled), link, signal);
        break;
    }
  }
};

const work = async (
  link: Link,
  handler: Handler,
  delivery: Delivery,
  options: Required<WorkQueueOptions>,
  signal: AbortSignal,
): Promise<void> => {
  const { visibilityMs, onProblem } = options;
  const working = setInterval(() => {
    try {
      link.connection.publish(delivery.reply, "+WPI");
    } catch (error) {
      onProblem(problemOf(`job ${delivery.job.id} cannot be kept from others`, error));
    }
  }, visibilityMs / 3);
  try {
    const outcome = await attemptJob(handler, delivery.job, delivery.attempt, options);
    await say(link, delivery, await verdictOf(link, delivery, outcome, options), signal);
  } catch (error) {
    onProblem(problemOf(`job ${delivery.job.id} may be done again`, error));
  } finally {
    clearInterval(working);
  }
};

/** What the server is told. A dead letter is stored before the job is given up: a crash between the two buries it again. */
const verdictOf = async (
  link: Link,
  delivery: Delivery,
  outcome: JobOutcome,
  { backoffMs, onProblem }: Required<WorkQueueOptions>,
): Promise<string> => {
  switch (outcome.kind) {
    case "done":
      return "+ACK";
    case "retry":
      return nakOf(outcome.afterMs);
    case "dead":
      try {
        await bury(link, delivery, outcome.reason);
        return "+TERM";
      } catch (error) {
        onProblem(problemOf(`job ${delivery.job.id} could not become a dead letter`, error));
        return nakOf(Math.max(0, Math.round(backoffMs(delivery.attempt))));
      }
  }
};

/** Without a delay the server would redeliver in the same breath, which is what 0 asks for. */
const nakOf = (afterMs: number): string => (afterMs === 0 ? "-NAK" : `-NAK {"delay":${afterMs * 1_000_000}}`);

const bury = async ({ ask, connection, names }: Link, delivery: Delivery, reason: string): Promise<void> => {
  const { job, attempt, place } = delivery;
  const facts = { id: job.id, reason, attempts: attempt, diedAt: Date.now() };
  const made = headersOf(facts, `${names.stream}.${place}`);
  await ask(() => connection.jetstream().publish(names.dead(job.id), job.payload, { headers: made }));
};

/** Every kind of acknowledgement is confirmed by the server when it is a request. Only a consumer that is stopping does not wait for a server that is away. */
const say = async (link: Link, { reply }: Delivery, verdict: string, signal: AbortSignal): Promise<void> => {
  const { connection } = link;
  for (let said = 1; ; said++) {
    while (!link.up() && !signal.aborted && !connection.isClosed()) await nextChange(link, signal);
    try {
      await connection.request(reply, verdict, { timeout: confirmMs });
      return;
    } catch (error) {
      if (said >= saidMax || connection.isClosed()) throw error;
    }
  }
};

const nextChange = (link: Link, signal: AbortSignal): Promise<void> => pause(undefined, link, signal);

/** Ends early when the connection comes or goes, or on the signal. */
const pause = (ms: number | undefined, link: Link, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      change.stop();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = ms === undefined ? undefined : setTimeout(end, ms);
    const change = link.onChange(end);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
