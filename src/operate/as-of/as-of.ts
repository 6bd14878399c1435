/** What Parley knew at a moment, from its log alone: the views as they were then, and who could read a message. */
import { conversationAsOf, type ConversationLine } from "../../audit/as-of/conversation.js";
import { endedByErasures } from "../../audit/erasure/readership.js";
import { closedForErasedIn } from "../../audit/erasure/closed.js";
import { userAsOf, type UserLine } from "../../audit/as-of/user.js";
import { whoCouldRead, type Readership } from "../../audit/who-could-read.js";
import { ContentDamaged, openingWith } from "../../commands/sealing/sealing.js";
import { type ConversationId, type MessageId, type UserId } from "../../domain/kernel/ids.js";
import { streamOf, type StreamName } from "../../domain/kernel/stream.js";
import { streamPages } from "../../domain/kernel/stream-pages.js";
import { openTextCipher, type SodiumChoice } from "../../infra/text-cipher/open.js";
import type { OpenContent } from "../../projections/ports/open-content.js";
import { NotThere } from "../inspect/stores.js";
import { openToRead, type OpenedToRead } from "../open.js";
import type { LogToRead, Target } from "../target.js";
import { momentOf, type Moment, type MomentAsked } from "./moment.js";
import { withViewsAsOf } from "./scratch-views.js";
import { conversationOfMessage, conversationsOf, type OnProgress } from "./streams.js";
import { NotInLog, requireStream } from "./unknown.js";

export type AsOfSubject = { readonly conversation: ConversationId } | { readonly user: UserId };

/** The first line says which moment it is; the others are of it. */
export type AsOfLine = { readonly asOf: Moment } | ConversationLine | UserLine;

export type AsOfOptions = {
  readonly moment: MomentAsked;
  /** Texts in the clear, with this build of the library. The caller has recorded that before. */
  readonly open?: SodiumChoice;
  readonly onProgress?: OnProgress;
};

/**
 * Tells lines as they are made, of a log that is open. Reads the streams concerned and, for a user, once through the log to
 * find their conversations.
 * @throws (rejects) NotInLog for a subject that is not there at the moment; BeyondHead; UnreadableEvent
 */
export const asOfIn = async (
  log: LogToRead,
  subject: AsOfSubject,
  { moment: asked, open, onProgress = () => undefined }: Omit<AsOfOptions, "open"> & { readonly open?: OpenContent },
  tell: (line: AsOfLine) => void,
): Promise<void> => {
  const moment = await momentOf(log, asked);
  const upTo = moment.position;
  const opening = open === undefined ? {} : { open };
  if ("conversation" in subject) {
    const { conversation } = subject;
    await requireStream(log, "conversation", conversation, upTo);
    tell({ asOf: moment });
    const pages = () => streamPages(log, streamOf.conversation(conversation), { upTo });
    await withViewsAsOf(log, streamsOfConversation(conversation), upTo, async (reads) => {
      for await (const line of conversationAsOf({ reads, pages, ...opening }, conversation)) tell(line);
    });
    return;
  }
  const { user } = subject;
  await requireStream(log, "user", user, upTo);
  tell({ asOf: moment });
  const conversations = await conversationsOf(log, user, upTo, onProgress);
  const streams = [streamOf.user(user), ...conversations.flatMap(streamsOfConversation)];
  await withViewsAsOf(log, streams, upTo, async (reads) => {
    for await (const line of userAsOf(reads, user, open)) tell(line);
  });
};

export const streamsOfConversation = (id: ConversationId): readonly StreamName[] => [
  streamOf.conversation(id),
  streamOf.receipts(id),
];

/** `asOfIn` for a Parley of either profile, running or not. */
export const asOf = (
  target: Target,
  subject: AsOfSubject,
  options: AsOfOptions,
  tell: (line: AsOfLine) => void,
): Promise<void> =>
  withLog(target, async (opened) => {
    const { open: sodium, ...others } = options;
    const open = sodium === undefined ? {} : { open: await openingTexts(opened, sodium) };
    await asOfIn(opened.log, subject, { ...others, ...open }, tell);
  });

/** What is damaged is shown as what nobody can read: one text must not take the others with it. */
const openingTexts = async (opened: OpenedToRead, sodium: SodiumChoice): Promise<OpenContent> => {
  const opening = openingWith(await opened.keys(), (await openTextCipher(sodium)).cipher);
  const open = closedForErasedIn(opened.log, opening);
  return async (context, sealed, author) => {
    try {
      return await open(context, sealed, author);
    } catch (error) {
      if (!(error instanceof ContentDamaged)) throw error;
      return null;
    }
  };
};

export type ReadershipAsOf = Readership & {
  readonly asOf: Moment;
  /** Whether the keys of its texts are there now; undefined where no keys are. The log does not say when one went. */
  readonly keysThere?: boolean;
};

/** @throws (rejects) NotInLog for a message that is not there at the moment; BeyondHead; UnreadableEvent */
export const whoCouldReadIn = async (
  log: LogToRead,
  messageId: MessageId,
  { moment: asked, conversation, onProgress = () => undefined }: WhoOptions,
): Promise<Omit<ReadershipAsOf, "keysThere">> => {
  const moment = await momentOf(log, asked);
  const upTo = moment.position;
  if (conversation !== undefined) await requireStream(log, "conversation", conversation, upTo);
  const where = conversation ?? (await conversationOfMessage(log, messageId, upTo, onProgress));
  const found =
    where === undefined
      ? undefined
      : await whoCouldRead(streamPages(log, streamOf.conversation(where), { upTo }), messageId);
  if (found === undefined) {
    const place = conversation === undefined ? "in this log" : `in ${conversation}`;
    throw new NotInLog(
      `There is no message ${messageId} ${place} up to position ${upTo}: parley audit as-of now --conversation ID lists a conversation's`,
    );
  }
  return { asOf: moment, ...(await endedByErasures(log, found, upTo)) };
};

export type WhoOptions = {
  readonly moment: MomentAsked;
  /** Without it the message is looked for in the whole log. */
  readonly conversation?: ConversationId;
  readonly onProgress?: OnProgress;
};

export const whoCouldReadOf = (target: Target, messageId: MessageId, options: WhoOptions): Promise<ReadershipAsOf> =>
  withLog(target, async (opened) => {
    const found = await whoCouldReadIn(opened.log, messageId, options);
    const keysThere = await areThere(opened, found.message.keyIds);
    return keysThere === undefined ? found : { ...found, keysThere };
  });

const areThere = async (opened: OpenedToRead, keyIds: readonly string[]): Promise<boolean | undefined> => {
  if (keyIds.length === 0) return undefined;
  try {
    const keys = await opened.keys();
    for (const keyId of keyIds) if ((await keys.find(keyId)) === undefined) return false;
    return true;
  } catch (error) {
    if (error instanceof NotThere) return undefined;
    throw error;
  }
};

const withLog = async <A>(target: Target, body: (opened: OpenedToRead) => Promise<A>): Promise<A> => {
  const opened = await openToRead(target);
  try {
    return await body(opened);
  } finally {
    await opened.close();
  }
};
