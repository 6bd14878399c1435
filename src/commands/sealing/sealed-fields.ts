import { sealedAs, sealedCodec, type Sealed } from "../../domain/kernel/sealed.js";
import { streamId, type RecordedEvent } from "../../domain/kernel/stream.js";

/** The fields of personal text. */
export const textFields = ["content", "name", "description", "displayName", "emoji"] as const;
export type TextField = (typeof textFields)[number];

/** A sealed text of an event, and the place that it was sealed as. */
export type SealedField = {
  readonly field: TextField;
  readonly context: string;
  readonly sealed: Sealed;
};

type Named = { readonly name?: unknown; readonly description?: unknown; readonly displayName?: unknown };
type Data = Named & {
  readonly messageId?: unknown;
  readonly content?: unknown;
  readonly emoji?: unknown;
  readonly profile?: Named | null;
  readonly changes?: Named | null;
};

/**
 * What is sealed in an event, by the names of its fields and not by its type or version: for those who look at a log as
 * it is, damaged perhaps. What has not the form of a sealed text is none.
 */
export const sealedFieldsOf = ({
  stream,
  data,
  meta,
}: Pick<RecordedEvent, "stream" | "data" | "meta">): readonly SealedField[] => {
  const id = streamId(stream);
  const { messageId, content, emoji, profile, changes } = (objectIn(data) ?? {}) as Data;
  const named = profile ?? changes ?? {};
  const found: readonly (readonly [SealedField["field"], unknown, string | undefined])[] = [
    ["content", content, text(messageId)],
    ["name", named.name, sealedAs.name(id)],
    ["description", named.description, sealedAs.description(id)],
    ["displayName", named.displayName, sealedAs.displayName(id)],
    ["emoji", emoji, sealedAs.emoji(id, text(messageId) ?? "", actorIn(meta) ?? "")],
  ];
  return found.flatMap(([field, sealed, context]) =>
    context !== undefined && sealedCodec.is(sealed) ? [{ field, context, sealed }] : [],
  );
};

/** What stands in an event as it was written, from before texts of its kind were sealed. */
export const plainFieldsOf = ({ data }: Pick<RecordedEvent, "data">): ReadonlyMap<TextField, string> => {
  const whole = (objectIn(data) ?? {}) as Data;
  const texts: Readonly<Partial<Record<TextField, unknown>>> = { ...whole, ...(whole.profile ?? whole.changes) };
  const plain = textFields.map((field) => [field, texts[field]] as const);
  return new Map(plain.filter((entry): entry is [TextField, string] => typeof entry[1] === "string"));
};

const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

const actorIn = (meta: string): string | undefined => {
  const { by } = (objectIn(meta) ?? {}) as { readonly by?: { readonly userId?: unknown } | null };
  return text(by?.userId);
};

/** Undefined for what is damaged: every reader of the event says so. */
const objectIn = (json: string): object | undefined => {
  try {
    const value = JSON.parse(json) as unknown;
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
};
