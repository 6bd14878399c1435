import { E, t } from "../../domain/kernel/fp.js";
import type { SyncRequest } from "../../projections/queries/queries.js";
import { gatewayLimits } from "../limits.js";
import { boolean, checked, decoder, integer, isObject, shape, tooLarge, type Fields } from "./codecs.js";

/** Tokens, epochs and `next` are the server's own words: whether they are good is the query's to say. */
const opaqueText = checked("text", (value): value is string => typeof value === "string");

/** −1: from the start of what is visible. */
const pos = integer(-1);

const cursors = decoder<Readonly<Record<string, number>>>(
  `at most ${gatewayLimits.syncCursorsMax} positions by conversation id`,
  (value, context) => {
    if (!isObject(value)) return t.failure(value, context);
    const entries = Object.entries(value);
    if (entries.length > gatewayLimits.syncCursorsMax) return t.failure(value, context, tooLarge);
    // Without a prototype no id ("constructor", "__proto__") can be taken for something that is always there.
    const kept = Object.create(null) as Record<string, number>;
    const errors: t.ValidationError[] = [];
    for (const [conversationId, given] of entries) {
      const decoded = pos.validate(given, t.appendContext(context, conversationId.slice(0, 128), pos, given));
      if (conversationId === "" || conversationId.length > gatewayLimits.conversationIdCharsMax)
        errors.push({ value, context });
      else if (E.isLeft(decoded)) errors.push(...decoded.left);
      else kept[conversationId] = decoded.right;
    }
    return errors.length > 0 ? t.failures(errors) : t.success(kept);
  },
);

/** The body of `POST /sync` and the payload of `sync` (PROTOCOL §7). */
export const syncCodec: Fields<SyncRequest> = shape(
  {},
  {
    epoch: opaqueText,
    token: opaqueText,
    cursors,
    only: boolean,
    limit: integer(1, gatewayLimits.syncChangesMax),
    next: opaqueText,
  },
);
