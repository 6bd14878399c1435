import type { ConversationId } from "../../domain/kernel/ids.js";
import { asPosition, noRevision, streamId, streamOf } from "../../domain/kernel/stream.js";
import { pause } from "../../lib/time.js";
import type { EventSource } from "../ports/event-source.js";
import type { ViewName } from "../view-change.js";
import { reconcileSubject, type FoundDrift, type ReconcileDependencies } from "./reconcile.js";

/** One conversation of a sample. */
export type Sampled = {
  readonly conversationId: ConversationId;
  readonly rows: number;
  readonly drifted: Readonly<Partial<Record<ViewName, number>>>;
  /** The first ones, without the rows themselves. */
  readonly drifts: readonly Pick<FoundDrift, "view" | "key" | "kind" | "fields">[];
};

export type SampleDependencies = ReconcileDependencies & { readonly source: Pick<EventSource, "readAll"> };

/** A longer one takes a thread for seconds: it is left to operators' reconcile. */
const eventsMax = 100_000;
const driftsMax = 20;
const pageEvents = 50;

/**
 * Compares all rows of one conversation: the next one from somewhere in the log. So the busier one is, the likelier it is
 * looked at.
 * @param share of the log, from 0 to below 1
 * @returns undefined where there is none, or only one that is too long
 */
export const sampleOnce = async (deps: SampleDependencies, share: number): Promise<Sampled | undefined> => {
  const head = await deps.source.head();
  const page = await deps.source.readAll(asPosition(Math.floor(share * head)), pageEvents);
  const found = page.find(({ stream }) => /^(conversation|receipts)-/.test(stream));
  if (found === undefined) return undefined;
  const conversationId = streamId(found.stream);
  for (const stream of [streamOf.conversation(conversationId), streamOf.receipts(conversationId)]) {
    const [newest] = await deps.source.readStream(stream, noRevision, 1, "backwards");
    if (newest !== undefined && newest.revision >= eventsMax) return undefined;
  }
  const drifted: Partial<Record<ViewName, number>> = {};
  const drifts: Sampled["drifts"][number][] = [];
  const { rows } = await reconcileSubject(deps, { kind: "conversation", conversationId }, (drift) => {
    const { view, key, kind, fields } = drift;
    drifted[view] = (drifted[view] ?? 0) + 1;
    if (drifts.length < driftsMax) drifts.push({ view, key, kind, fields });
  });
  return { conversationId, rows, drifted, drifts };
};

export type SamplingOptions = {
  /** Conversations an hour; what takes longer than its turn delays the next. */
  readonly perHour: number;
  readonly look: () => Promise<Sampled | undefined>;
  readonly onSampled: (sampled: Sampled) => void;
  readonly onProblem: (error: unknown) => void;
};

/** Looks at one conversation after another, for as long as the process lives. Nothing is repaired. */
export const startSampling = ({
  perHour,
  look,
  onSampled,
  onProblem,
}: SamplingOptions): { readonly stop: () => void } => {
  const stopping = new AbortController();
  const stopped = stopping.signal;
  const isStopped = (): boolean => stopped.aborted;
  const run = async (): Promise<void> => {
    while (!isStopped()) {
      await pause(3_600_000 / perHour, { stopped, unref: true });
      if (isStopped()) return;
      try {
        const sampled = await look();
        if (sampled !== undefined && !isStopped()) onSampled(sampled);
      } catch (error) {
        if (!isStopped()) onProblem(error);
      }
    }
  };
  void run();
  return {
    stop: () => {
      stopping.abort();
    },
  };
};
