import type { t } from "../../domain/kernel/fp.js";
import { E, type Either } from "../../domain/kernel/fp.js";
import { reject, type Rejection } from "../../domain/rejections.js";

/** A page's end as clients carry it: opaque to them, JSON in base64url to us. */
export const encodeCursor = (place: unknown): string => Buffer.from(JSON.stringify(place)).toString("base64url");

/** Left `INVALID_MESSAGE` for what no earlier answer can have said. Right undefined: no cursor, the first page. */
export const decodeCursor = <A>(codec: t.Type<A>, cursor: string | undefined): Either<Rejection, A | undefined> => {
  if (cursor === undefined) return E.right(undefined);
  const decoded = codec.decode(parsed(cursor));
  return E.isRight(decoded) ? decoded : E.left(badCursor);
};

const parsed = (cursor: string): unknown => {
  try {
    return JSON.parse(Buffer.from(cursor, "base64url").toString());
  } catch {
    // Not JSON is one way of not being a cursor; no codec accepts undefined.
    return undefined;
  }
};

const badCursor = reject("INVALID_MESSAGE", "The cursor is not one of this server's.", [
  { field: "cursor", expected: "nextCursor of an earlier answer" },
]);
