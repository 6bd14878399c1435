import { troublesOf } from "../../audit/archive/record.js";
import type { RecordSource } from "../../audit/archive/records.js";
import type { Account } from "../../audit/takeout/account.js";
import {
  takeoutReceipts,
  takeoutRecords,
  type TakeoutExtent,
  type TakeoutRecord,
} from "../../audit/takeout/conversation.js";
import { createSummary, type Summary } from "../../audit/takeout/summary.js";
import { takeoutIndex, takeoutPage, type TakeoutConversation } from "../../audit/takeout/pages.js";
import type { ConversationId } from "../../domain/kernel/ids.js";
import type { Position } from "../../domain/kernel/stream.js";
import type { ZipEntry } from "../archive/zip.js";

/** What is counted while a takeout is written. */
export type TakeoutTally = {
  messages: number;
  /** What does not open though it was not erased, or cannot be read; and the first of it. */
  damaged: number;
  readonly damages: string[];
};

/** `at`: when it is taken, epoch milliseconds. */
export type Taking = {
  readonly source: RecordSource;
  readonly account: Account;
  readonly extent: TakeoutExtent;
  readonly upTo: Position;
  readonly at: number;
};

const damagesNamed = 20;
/** Records on a page for people; so many are in memory. */
const recordsPerPage = 500;

/** The files of a takeout: conversation after conversation, and what says which there are last. */
export async function* takeoutEntries(
  taking: Taking,
  ids: readonly ConversationId[],
  tally: TakeoutTally,
  onDone: (done: number) => void,
): AsyncGenerator<ZipEntry> {
  const { account, extent, at, upTo } = taking;
  const entry = (name: string, chunks: ZipEntry["chunks"]): ZipEntry => ({ name, at, chunks });
  const conversations: TakeoutConversation[] = [];
  for (const [index, id] of ids.entries()) {
    onDone(index);
    const summary = createSummary(id, account.userId);
    yield entry(`conversations/${summary.file}.ndjson`, linesOf(taking, id, summary, tally));
    // Once more, now that it is known what the conversation is called.
    for await (const { name, html } of pagesOf(taking, id, summary)) yield entry(name, [html]);
    conversations.push(summary.row());
  }
  yield entry("receipts.ndjson", receiptsOf(taking, ids, tally));
  const { unreadable, devices, preferences, ...profile } = account;
  for (const reason of unreadable) tellDamage(tally, reason);
  const described: Readonly<Record<string, unknown>> = {
    "profile.json": { ...profile, takenAt: at, upTo, extent },
    "devices.json": devices,
    "preferences.json": preferences,
    "conversations.json": conversations,
  };
  for (const [name, value] of Object.entries(described)) yield entry(name, [`${JSON.stringify(value, null, 2)}\n`]);
  yield entry("index.html", [takeoutIndex(account, conversations, { at, extent })]);
}

const tellDamage = (tally: TakeoutTally, reason: string): void => {
  tally.damaged += 1;
  if (tally.damages.length < damagesNamed) tally.damages.push(reason);
};

const recordsOf = ({ source, account, extent, upTo }: Taking, id: ConversationId): AsyncGenerator<TakeoutRecord> =>
  takeoutRecords(source, id, account.userId, { extent, upTo });

async function* linesOf(
  taking: Taking,
  id: ConversationId,
  summary: Summary,
  tally: TakeoutTally,
): AsyncGenerator<string> {
  for await (const record of recordsOf(taking, id)) {
    summary.add(record);
    if (record.kind === "message") tally.messages += 1;
    for (const damage of troublesOf(record).damaged) tellDamage(tally, `position ${record.position}: ${damage}`);
    yield `${JSON.stringify(record)}\n`;
  }
}

async function* pagesOf(
  taking: Taking,
  id: ConversationId,
  { file, called }: Summary,
): AsyncGenerator<{ readonly name: string; readonly html: string }> {
  let page = 1;
  let records: TakeoutRecord[] = [];
  const closed = (isLast: boolean) => {
    const html = takeoutPage(called(), records, taking.account.userId, { file, page, isLast });
    return { name: `conversations/${file}-${page}.html`, html };
  };
  for await (const record of recordsOf(taking, id)) {
    if (records.length === recordsPerPage) {
      yield closed(false);
      page += 1;
      records = [];
    }
    records.push(record);
  }
  if (records.length > 0) yield closed(true);
}

async function* receiptsOf(
  { source, account, upTo }: Taking,
  ids: readonly ConversationId[],
  tally: TakeoutTally,
): AsyncGenerator<string> {
  const onUnreadable = (reason: string): void => {
    tellDamage(tally, reason);
  };
  for (const id of ids)
    for await (const receipt of takeoutReceipts(source.log, id, account.userId, upTo, onUnreadable))
      yield `${JSON.stringify(receipt)}\n`;
}
