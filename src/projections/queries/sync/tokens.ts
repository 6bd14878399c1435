import { E, t } from "../../../domain/kernel/fp.js";
import type { UserId } from "../../../domain/kernel/ids.js";
import { asPosition, type Position } from "../../../domain/kernel/stream.js";
import type { ActivityKey } from "../../ports/view-store.js";

/**
 * What the server gives a client to bring back: opaque to the client, and checked when it returns, because it comes
 * through hands that are not ours.
 */
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

const decode = <A>(codec: t.Type<A>, text: string): A | undefined => {
  try {
    const decoded = codec.decode(JSON.parse(Buffer.from(text, "base64url").toString("utf8")));
    return E.isRight(decoded) ? decoded.right : undefined;
  } catch {
    // Not JSON is one way of not being ours.
    return undefined;
  }
};

const tokenCodec = t.type({ kind: t.literal("sync"), epoch: t.string, userId: t.string, position: t.number });

/** Marks the whole account at a log position. */
export const encodeToken = (epoch: string, userId: UserId, position: Position): string =>
  encode({ kind: "sync", epoch, userId, position });

/** The position; undefined when the token is of another incarnation, another user, beyond the head, or not ours. */
export const decodeToken = (token: string, epoch: string, userId: UserId, head: Position): Position | undefined => {
  const value = decode(tokenCodec, token);
  if (value === undefined) return undefined;
  const ours =
    value.epoch === epoch &&
    value.userId === userId &&
    Number.isInteger(value.position) &&
    value.position >= 0 &&
    value.position <= head;
  return ours ? asPosition(value.position) : undefined;
};

const keyCodec = t.type({ activity: t.number, conversationId: t.string });
const nextCodec = t.intersection([
  t.type({
    kind: t.literal("next"),
    epoch: t.string,
    userId: t.string,
    head: t.number,
    seen: t.number,
    part: t.keyof({ first: null, moved: null, erased: null }),
    reset: t.boolean,
  }),
  t.partial({ after: keyCodec, told: t.number }),
]);

/**
 * Where an answer of several pages goes on. Conversations come by latest activity, which what happens meanwhile moves:
 * so those that were touched since the first page was read follow, by id, which nothing moves. None is passed over, and
 * none comes more than twice, however busy the account is. Users who were erased come last, as the log has them.
 */
export type Place = {
  /** The log's when the first page was asked for: the token will mark it. */
  readonly head: Position;
  /** The views held everything up to it when the first page was read. */
  readonly seen: Position;
  readonly part: "first" | "moved" | "erased";
  readonly after?: ActivityKey;
  /** Erasures up to it have been listed. */
  readonly told?: Position;
  /** The first page said `reset`: the whole answer is a first sync's. */
  readonly reset: boolean;
};

export const encodeNext = (epoch: string, userId: UserId, place: Place): string =>
  encode({ kind: "next", epoch, userId, ...place });

export const decodeNext = (next: string, epoch: string, userId: UserId): Place | undefined => {
  const decoded = decode(nextCodec, next);
  if (decoded?.epoch !== epoch || decoded.userId !== userId) return undefined;
  const { head, seen, part, after, reset, told } = decoded;
  const last = after === undefined ? {} : { after: { ...after, activity: asPosition(after.activity) } };
  const listed = told === undefined ? {} : { told: asPosition(told) };
  return { head: asPosition(head), seen: asPosition(seen), part, reset, ...last, ...listed };
};
