import type { UserId } from "../../domain/kernel/ids.js";
import type { ArchivedConversation, ArchiveItem, ArchiveRecord, Person } from "./record.js";
import { timeText } from "./text.js";

/**
 * A conversation's records of one day (UTC), which is what archives take as one chat; of a day with more than fit, one of
 * several parts.
 */
export type ConversationDay = {
  readonly conversation: ArchivedConversation;
  /** `2026-11-22` */
  readonly day: string;
  readonly present: readonly Person[];
  readonly records: readonly ArchiveRecord[];
  readonly presentAtEnd: readonly Person[];
};

/** A part is in memory as a whole, and again in its format: some MB at most, where every message has 16 KiB. */
export const recordsPerPart = 1_000;

/** @param items conversation after conversation, each by revision: the time of a conversation's stream never goes back */
export async function* conversationDays(
  items: AsyncIterable<ArchiveItem>,
  recordsMax = recordsPerPart,
): AsyncGenerator<ConversationDay> {
  let present = new Map<UserId, Person>();
  let open: Pick<ConversationDay, "day" | "present"> | undefined;
  let records: ArchiveRecord[] = [];
  const closed = (): ConversationDay[] => {
    const [first] = records;
    if (open === undefined || first === undefined) return [];
    const { conversation } = records.at(-1) ?? first;
    return [{ ...open, conversation, records, presentAtEnd: [...present.values()] }];
  };
  for await (const item of items) {
    if ("begins" in item) {
      yield* closed();
      open = undefined;
      records = [];
      present = new Map(item.present.map((person) => [person.userId, person]));
      continue;
    }
    const { record } = item;
    const day = timeText(record.at).slice(0, 10);
    if (open?.day !== day || records.length >= recordsMax) {
      yield* closed();
      open = { day, present: [...present.values()] };
      records = [];
    }
    records.push(record);
    follow(present, record);
  }
  yield* closed();
}

/** Who is there after it, by the newest name that is known. */
const follow = (present: Map<UserId, Person>, { kind, subject, author }: ArchiveRecord): void => {
  if (kind === "joined" && subject !== undefined) present.set(subject.userId, subject);
  if (kind === "left" && subject !== undefined) present.delete(subject.userId);
  if (author !== undefined && present.has(author.userId)) present.set(author.userId, author);
};

/** Everybody who was there at some time of it, or wrote. */
export const participantsOf = ({ present, records }: ConversationDay): readonly Person[] => {
  const people = new Map(present.map((person) => [person.userId, person]));
  for (const { author, subject } of records)
    for (const person of [author, subject]) if (person !== undefined) people.set(person.userId, person);
  return [...people.values()];
};
