/** The distributed work queue: a JetStream stream with work-queue retention, and a second one for what has died. */
import type { NatsConnection } from "nats";
import type { Job, WorkQueue } from "../../../projections/ports/work-queue.js";
import { checkJobs, problemOf, unavailable, withDefaults, type WorkQueueOptions } from "../attempts.js";
import { startConsumer } from "./consume.js";
import { deadLetters } from "./dead.js";
import { createLink } from "./link.js";
import { ensureStreams, isRefusal, namesOf } from "./streams.js";
import { headersOf, tokenOf } from "./wire.js";

export type JetStreamQueue = WorkQueue & {
  /** Stops the consumers and waits for their handlers. The connection stays its owner's. Repeatable. */
  readonly close: () => Promise<void>;
};

export type JetStreamQueueOptions = WorkQueueOptions & {
  readonly connection: NatsConnection;
  /** The stream's; its subject is `<name>.jobs`, the dead letters' stream `<name>_DEAD`. */
  readonly name: string;
};

/** Publishes under way of one enqueue. */
const publishesMax = 256;

/**
 * Opens, or makes, the queue; streams and consumer that differ from the options are updated, and made anew whenever the
 * server has lost them. The connection must reconnect for ever.
 *
 * - Jobs are published one by one: after a rejection some may be in, and the identical call adds the others only.
 * - `deduplicateMs` is JetStream's window. A restarted server knows only the ids of jobs that still wait.
 * - Attempts are the server's deliveries: one that was lost on its way counts. Outcomes are confirmed by the server.
 * - Of an id that dies twice the later dead letter stays. A dead page after an id that is no more starts at the oldest.
 * - Durable means in the server's page cache, unless it runs with `sync_interval: always` or has replicas.
 *
 * Jobs that could never be taken are refused with RangeError: ids above 200 characters, payloads above 64 KiB.
 * A server that is away when it is opened is reported, and the streams are made when they are first needed.
 * @throws (rejects) StoreUnavailable when JetStream refuses the configuration, RangeError for the name.
 */
export const openJetStreamQueue = async (given: JetStreamQueueOptions): Promise<JetStreamQueue> => {
  const options = withDefaults(given);
  const { connection } = options;
  const names = namesOf(options.name);
  // Without the account's check, which asks for a permission that nothing else here needs.
  const manager = await connection.jetstreamManager({ checkAPI: false });
  await ensureStreams(manager, names, options).catch((error: unknown) => {
    if (isRefusal(error)) throw unavailable(`the work queue ${names.stream}`, error);
    options.onProblem(problemOf(`the work queue ${names.stream} is not there yet`, error));
  });
  const link = createLink(connection, manager, names, options);
  const stream = connection.jetstream();
  const consumers = new Set<{ readonly stop: () => Promise<void> }>();

  const publish = async ({ id, payload }: Job): Promise<void> => {
    await link.ask(() => stream.publish(names.jobs, payload, { headers: headersOf({ id }, tokenOf(id)) }));
  };
  const enqueue = async (jobs: readonly Job[]): Promise<void> => {
    checkJobs(jobs);
    for (let i = 0; i < jobs.length; i += publishesMax) {
      const answers = await Promise.allSettled(jobs.slice(i, i + publishesMax).map(publish));
      for (const answer of answers) if (answer.status === "rejected") throw answer.reason;
    }
  };
  const messagesIn = async (name: string): Promise<number> =>
    (await link.ask(() => manager.streams.info(name))).state.messages;

  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await Promise.all([...consumers].map((consumer) => consumer.stop()));
    link.close();
  };
  return {
    enqueue,
    consume: (handler, { concurrency }) => {
      const consumer = startConsumer(link, handler, concurrency, options);
      consumers.add(consumer);
      return { stop: () => consumer.stop().finally(() => consumers.delete(consumer)) };
    },
    ...deadLetters(link),
    stats: async () => {
      const [waiting, dead] = await Promise.all([messagesIn(names.stream), messagesIn(names.deadStream)]);
      return { waiting, dead };
    },
    close: () => (closing ??= close()),
  };
};
