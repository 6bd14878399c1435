import { userIdOf, byOf } from "../../domain/kernel/by.js";
import type { UserId } from "../../domain/kernel/ids.js";
import { streamId, streamOf, type RecordedEvent } from "../../domain/kernel/stream.js";
import { plainFieldsOf, sealedFieldsOf, type TextField } from "../../commands/sealing/sealed-fields.js";
import { ownerOf } from "../../domain/kernel/users-keys.js";

/** What the log holds that one user wrote. */
export type Survey = {
  /** Texts that end with the user's keys, by their field. */
  readonly sealed: Readonly<Partial<Record<TextField, number>>>;
  /** Texts that stand in the log as they were written: nothing but the end of the log ends them. */
  readonly plain: Readonly<Partial<Record<TextField, number>>>;
  /** Positions of the events that hold the first of them. */
  readonly plainAt: readonly number[];
};

/** Of a certificate that is to be read by people. */
const plainListedMax = 1_000;

/** Fields that are the author's own: what a group is called stays the conversation's. */
const owned: readonly TextField[] = ["content", "displayName", "emoji"];

export const createSurvey = (userId: UserId) => {
  const sealed: Partial<Record<TextField, number>> = {};
  const plain: Partial<Record<TextField, number>> = {};
  const plainAt: number[] = [];
  const count = (counts: Partial<Record<TextField, number>>, field: TextField): void => {
    counts[field] = (counts[field] ?? 0) + 1;
  };
  const foundPlain = (field: TextField, event: RecordedEvent): void => {
    count(plain, field);
    if (plainAt.length < plainListedMax && plainAt.at(-1) !== event.position) plainAt.push(event.position);
  };
  return {
    add: (event: RecordedEvent): void => {
      if (!event.data.includes('"')) return;
      const isTheirs = isBy(event, userId);
      for (const { field, sealed: text } of sealedFieldsOf(event)) {
        if (text.alg !== "none") {
          if (ownerOf(text.keyId) === userId) count(sealed, field);
        } else if (isTheirs && owned.includes(field) && text.data !== "" && !isEndToEnd(event))
          foundPlain(field, event);
      }
      if (isTheirs) for (const [field] of plainFieldsOf(event)) if (owned.includes(field)) foundPlain(field, event);
    },
    result: (): Survey => ({ sealed, plain, plainAt }),
  };
};

const isBy = ({ stream, meta }: RecordedEvent, userId: UserId): boolean => {
  if (stream === streamOf.user(userId)) return true;
  // Most events of a log are others': looked at before they are parsed.
  if (!stream.startsWith("conversation-") || streamId(stream) === "" || !meta.includes(userId)) return false;
  try {
    const by = byOf((JSON.parse(meta) as { readonly by?: unknown }).by);
    return by !== undefined && userIdOf(by) === userId;
  } catch {
    return false;
  }
};

/** Only those who talk can read it: it says nothing to whoever has the log. */
const isEndToEnd = ({ data }: RecordedEvent): boolean => {
  try {
    return (JSON.parse(data) as { readonly contentType?: unknown }).contentType === "encrypted";
  } catch {
    return false;
  }
};

export const textsIn = (counts: Readonly<Partial<Record<TextField, number>>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);
