import { actianceHead, actianceOf, actianceTail } from "./actiance.js";
import { csvHead, csvRow } from "./csv.js";
import { emlOf, type Eml } from "./eml.js";
import { jsonRow } from "./json.js";
import { conversationDays } from "./parts.js";
import { troublesOf, type ArchiveItem } from "./record.js";

export const archiveFormats = ["csv", "eml", "actiance", "json"] as const;
export type ArchiveFormat = (typeof archiveFormats)[number];

/** What a run has put into its file. `damaged`: texts and events that do not open though nobody erased them. */
export type ArchiveTally = {
  records: number;
  messages: number;
  conversations: number;
  /** Records with a text whose key is gone. */
  erased: number;
  damaged: number;
  /** The first of what is damaged, each with its position. */
  readonly damages: string[];
};

export const emptyTally = (): ArchiveTally => ({
  records: 0,
  messages: 0,
  conversations: 0,
  erased: 0,
  damaged: 0,
  damages: [],
});

/** Named one by one; of more there is the count. */
const damagesNamed = 20;

/** Passes everything on, counted. */
export async function* tallied(items: AsyncIterable<ArchiveItem>, tally: ArchiveTally): AsyncGenerator<ArchiveItem> {
  let conversation: string | undefined;
  for await (const item of items) {
    if ("record" in item) {
      const { record } = item;
      const { erased, damaged } = troublesOf(record);
      if (record.conversation.id !== conversation) tally.conversations += 1;
      conversation = record.conversation.id;
      tally.records += 1;
      if (record.kind === "message") tally.messages += 1;
      if (erased) tally.erased += 1;
      tally.damaged += damaged.length;
      for (const damage of damaged)
        if (tally.damages.length < damagesNamed) tally.damages.push(`position ${record.position}: ${damage}`);
    }
    yield item;
  }
}

/** The formats that are one text. `domain`: of the addresses of people whose ids are none. */
export async function* archiveText(
  format: Exclude<ArchiveFormat, "eml">,
  items: AsyncIterable<ArchiveItem>,
  domain: string,
): AsyncGenerator<string> {
  if (format === "actiance") {
    yield actianceHead;
    for await (const day of conversationDays(items)) yield actianceOf(day, domain);
    yield actianceTail;
    return;
  }
  if (format === "csv") yield csvHead();
  const row = format === "csv" ? csvRow : jsonRow;
  for await (const item of items) if ("record" in item) yield row(item.record);
}

/** The mails of an archive, one after another. */
export async function* archiveMails(items: AsyncIterable<ArchiveItem>, domain: string): AsyncGenerator<Eml> {
  for await (const day of conversationDays(items)) yield emlOf(day, domain);
}
