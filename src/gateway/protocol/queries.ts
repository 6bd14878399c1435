import { E, t } from "../../domain/kernel/fp.js";
import { gatewayLimits as bounds } from "../limits.js";
import { checked, decoder, shape } from "./codecs.js";

/** The query strings of PROTOCOL §6's calls. Decoded from `{ name: first value }`; unknown names are ignored. */
const integerText = (min: number, max: number = Number.MAX_SAFE_INTEGER): t.Type<number, unknown> =>
  decoder(
    max === Number.MAX_SAFE_INTEGER ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`,
    (value, context) => {
      const parsed = typeof value === "string" && /^\d{1,16}$/.test(value) ? Number(value) : NaN;
      return Number.isSafeInteger(parsed) && parsed >= min && parsed <= max
        ? t.success(parsed)
        : t.failure(value, context);
    },
  );

const booleanText: t.Type<boolean, unknown> = decoder('"true" or "false"', (value, context) =>
  value === "true" || value === "false" ? t.success(value === "true") : t.failure(value, context),
);

const cursor = checked(
  "a cursor",
  (value): value is string => typeof value === "string" && value !== "" && value.length <= bounds.cursorCharsMax,
);
const limit = integerText(1, bounds.pageMax);

export const inboxQuery = shape({}, { limit, cursor, archived: booleanText });
export const membersQuery = shape({}, { limit, cursor });

const window = shape({}, { limit, before: integerText(0), after: integerText(0) });
const nothingBeside = checked("nothing beside before", (value): value is undefined => value === undefined);
const notBoth = decoder<typeof window._A>("an object", (value, context) => {
  const decoded = window.validate(value, context);
  if (E.isLeft(decoded) || decoded.right.before === undefined || decoded.right.after === undefined) return decoded;
  return t.failure(value, t.appendContext(context, "after", nothingBeside));
});
export const historyQuery = Object.assign(notBoth, { fields: window.fields });
