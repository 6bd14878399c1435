/** Why a value is what it is: the views' own, the one that the log makes, the rule, and the events behind it. */
import { explainingEvents, type ExplainingEvent } from "../../audit/explain/events.js";
import { rules, type Explained } from "../../audit/explain/rules.js";
import { valueIn, type ExplainedValue, type ExplainSubject } from "../../audit/explain/values.js";
import { endedByErasures } from "../../audit/erasure/readership.js";
import { whoCouldRead, type Reader } from "../../audit/who-could-read.js";
import { streamOf, type Position } from "../../domain/kernel/stream.js";
import { streamPages } from "../../domain/kernel/stream-pages.js";
import type { Closers } from "../../profiles/close-all.js";
import { streamsOfConversation } from "../as-of/as-of.js";
import { withViewsAsOf } from "../as-of/scratch-views.js";
import { pagesInOrder } from "../as-of/streams.js";
import { NotInLog, requireStream } from "../as-of/unknown.js";
import { closeQuietly } from "../doctor/probe.js";
import { openToRead } from "../open.js";
import type { LogToRead, Target } from "../target.js";
import { openLiveViews } from "./live-views.js";
import type { LiveViews } from "./views.js";

export { explained, type Explained } from "../../audit/explain/rules.js";
export type { ExplainSubject } from "../../audit/explain/values.js";

export type Explanation = {
  readonly what: Explained;
  /** Where the views stood: the log makes its value of what is up to there. */
  readonly position: Position;
  /** As the views have it; undefined when they have no such row. */
  readonly shown: ExplainedValue | undefined;
  readonly fromLog: ExplainedValue;
  /** `drifted`: the two differ and the views did not move meanwhile. `moved`: they did each time, so that nothing is said. */
  readonly verdict: "same" | "drifted" | "moved";
  readonly rule: string;
  /** Of a delivery: from when until when they could read it, and why not. */
  readonly reader?: Reader;
};
export type ExplainLine = { readonly explanation: Explanation } | { readonly event: ExplainingEvent };

/** Looks at views that move meanwhile. */
const looksMax = 5;

/** The views are of another incarnation of the log: positions and sequences of the two are not comparable. */
export class ViewsOfAnotherEpoch extends Error {
  constructor(views: string, log: string | undefined) {
    super(
      `The views were made from the log's epoch ${views}, and its epoch is ${log ?? "none yet"}: they are not to be compared. parley projections status says what to do`,
    );
    this.name = "ViewsOfAnotherEpoch";
  }
}

/** @throws (rejects) NotInLog for a conversation, member or message that is not there; ViewsOfAnotherEpoch; NotThere; UnreadableEvent */
export const explain = async (
  target: Target,
  what: Explained,
  subject: ExplainSubject,
  tell: (line: ExplainLine) => void,
): Promise<Explanation> => {
  const closers: Closers = [];
  try {
    const { log, epoch, close } = await openToRead(target);
    closers.push(close);
    const ofLog = await epoch();
    const views = await openLiveViews(target, closers);
    const ofViews = await views.epoch();
    if (ofViews !== undefined && ofViews !== ofLog) throw new ViewsOfAnotherEpoch(ofViews, ofLog);
    return await explainIn(log, views, what, subject, tell);
  } finally {
    await closeQuietly(closers);
  }
};

/** Of a log and views that are open. */
export const explainIn = async (
  log: LogToRead,
  views: LiveViews,
  what: Explained,
  subject: ExplainSubject,
  tell: (line: ExplainLine) => void,
): Promise<Explanation> => {
  const { conversation, user } = subject;
  await requireStream(log, "conversation", conversation, await log.head());
  let found = await look(log, views, what, subject);
  for (let looks = 1; found.moved && found.differs && looks < looksMax; looks += 1)
    found = await look(log, views, what, subject);
  const { position, shown, fromLog, differs, moved } = found;
  if (fromLog === undefined) throw await notThere(log, what, subject, position);
  const verdict = !differs ? "same" : moved ? "moved" : "drifted";
  const ofConversation = () => streamPages(log, streamOf.conversation(conversation), { upTo: position });
  const could =
    what === "delivery" && subject.message !== undefined
      ? await whoCouldRead(ofConversation(), subject.message)
      : undefined;
  const readership = could && (await endedByErasures(log, could, position));
  const reader = readership?.readers.find(({ userId }) => userId === user);
  const about = reader === undefined ? {} : { reader };
  const explanation: Explanation = { what, position, shown, fromLog, verdict, rule: rules[what], ...about };
  tell({ explanation });
  const pages = pagesInOrder(log, [...streamsOfConversation(conversation), streamOf.user(user)], position);
  for await (const event of explainingEvents(pages, what, subject, fromLog)) tell({ event });
  return explanation;
};

const look = async (log: LogToRead, views: LiveViews, what: Explained, subject: ExplainSubject) => {
  const position = await views.reached();
  const shown = await valueIn(views.reads, what, subject);
  const moved = (await views.reached()) !== position;
  const streams = [...streamsOfConversation(subject.conversation), streamOf.user(subject.user)];
  const fromLog = await withViewsAsOf(log, streams, position, (reads) => valueIn(reads, what, subject));
  return { position, shown, fromLog, moved, differs: JSON.stringify(shown) !== JSON.stringify(fromLog) };
};

const namedMax = 5;

const notThere = async (
  log: LogToRead,
  what: Explained,
  { user, conversation, message }: ExplainSubject,
  position: Position,
): Promise<NotInLog> =>
  withViewsAsOf(log, streamsOfConversation(conversation), position, async (reads) => {
    const members = await reads.members(conversation, { limit: namedMax });
    const names = members.map(({ userId }) => userId).join(", ");
    if ((await reads.summaries(user, [conversation])).length === 0)
      return new NotInLog(
        `${user} never was a member of ${conversation}, as far as the views have come (position ${position}). Its members are ${names === "" ? "none" : names}${members.length === namedMax ? ", …" : ""}`,
      );
    return new NotInLog(
      `There is no message ${message ?? ""} in ${conversation} for ${what}, as far as the views have come (position ${position}): parley audit as-of now --conversation ${conversation} lists them`,
    );
  });
