import type { Sealed, SealedText } from "../../src/domain/kernel/sealed.js";
import type { RecordedEvent } from "../../src/domain/kernel/stream.js";

/** A text as today's commands bring it. Sealing is off in the kits: what is sealed is the text itself, beside its digest. */
export const sealedText = (text: string): SealedText => ({
  alg: "none",
  keyId: "",
  data: text,
  digest: `digest of ${text}`,
});

type Named = { readonly name?: SealedText; readonly description?: SealedText };
type Stored = {
  readonly emoji?: Sealed;
  readonly profile?: Named;
  readonly changes?: Named & { readonly displayName?: SealedText | null };
};

/** The event as the version before wrote it, with names and emoji in plain text. */
export const asBefore = (recorded: RecordedEvent): RecordedEvent => {
  const versionBefore = {
    ...{ ConversationStarted: 1, MemberJoined: 1, SettingsChanged: 1, ProfileChanged: 2 },
    ...{ ReactionAdded: 1, ReactionRemoved: 1 },
  }[recorded.type];
  if (versionBefore === undefined) return recorded;
  const { profile, changes, emoji, ...data } = JSON.parse(recorded.data) as Stored;
  const meta = { ...(JSON.parse(recorded.meta) as object), schema: versionBefore };
  const before = {
    ...data,
    ...(profile === undefined ? {} : { profile: plain(profile) }),
    ...(changes === undefined ? {} : { changes: plain(changes) }),
    ...(emoji === undefined ? {} : { emoji: emoji.data, digest: undefined }),
  };
  return { ...recorded, data: JSON.stringify(before), meta: JSON.stringify(meta) };
};

const plain = (texts: object): object =>
  Object.fromEntries(
    Object.entries(texts).map(([field, value]) => [field, isText(value) ? value.data : (value as unknown)]),
  );
const isText = (value: unknown): value is SealedText => typeof value === "object" && value !== null && "alg" in value;
