import { O, t, type Option } from "../../domain/kernel/fp.js";
import type { Position } from "../../domain/kernel/stream.js";
import type { ActivityKey } from "../ports.js";

/**
 * What the server gives a client to bring back: opaque to the client, and checked when it returns, because it comes
 * through hands that are not ours.
 */
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

const decode = <A>(codec: t.Type<A>, text: string): Option<A> => {
  try {
    return O.fromEither(codec.decode(JSON.parse(Buffer.from(text, "base64url").toString("utf8"))));
  } catch {
    return O.none;
  }
};

const tokenCodec = t.type({ kind: t.literal("sync"), epoch: t.string, userId: t.string, position: t.number });

/** Marks the whole account at a log position. */
export const encodeToken = (epoch: string, userId: string, position: Position): string =>
  encode({ kind: "sync", epoch, userId, position });

/** The position; none when the token is of another incarnation, another user, beyond the head, or not ours. */
export const decodeToken = (token: string, epoch: string, userId: string, head: Position): Option<Position> => {
  const decoded = decode(tokenCodec, token);
  if (O.isNone(decoded)) return O.none;
  const { value } = decoded;
  const ours =
    value.epoch === epoch &&
    value.userId === userId &&
    Number.isInteger(value.position) &&
    value.position >= 0 &&
    value.position <= head;
  return ours ? O.some(value.position) : O.none;
};

const keyCodec = t.type({ activity: t.number, conversationId: t.string });
const nextCodec = t.intersection([
  t.type({
    kind: t.literal("next"),
    epoch: t.string,
    userId: t.string,
    head: t.number,
    bound: t.number,
    part: t.keyof({ descending: null, ascending: null }),
    reset: t.boolean,
  }),
  t.partial({ after: keyCodec }),
]);

/**
 * Where an answer of several pages goes on. `head`: of the first page, which the token will mark. Conversations come by
 * latest activity, `descending` from `bound`; those that moved beyond it meanwhile follow, `ascending`, so that none is
 * passed over however busy the account is.
 */
export type Place = {
  readonly head: Position;
  readonly bound: Position;
  readonly part: "descending" | "ascending";
  readonly after?: ActivityKey;
  /** The first page said `reset`: the whole answer is a first sync's. */
  readonly reset: boolean;
};

export const encodeNext = (epoch: string, userId: string, place: Place): string =>
  encode({ kind: "next", epoch, userId, ...place });

export const decodeNext = (next: string, epoch: string, userId: string): Option<Place> => {
  const decoded = decode(nextCodec, next);
  if (O.isNone(decoded) || decoded.value.epoch !== epoch || decoded.value.userId !== userId) return O.none;
  const { head, bound, part, after, reset } = decoded.value;
  return O.some({ head, bound, part, reset, ...(after === undefined ? {} : { after }) });
};
