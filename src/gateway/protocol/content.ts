import { E, t } from "../../domain/kernel/fp.js";
import type { ContentType } from "../../domain/conversation/conversation.events.js";
import { limits } from "../../domain/kernel/limits.js";
import { gatewayLimits } from "../limits.js";
import { checked, decoder, isObject, isWellFormed, number, oneOf, shape, tooLarge } from "./codecs.js";

/** A message's content as it is sealed, stored and sent again: unknown fields are gone, the JSON text is final. */
export type Content = { readonly contentType: ContentType; readonly content: string };

/** Well-formedness is looked at once for the whole content, see `loneSurrogates`. */
const nonEmptyText = checked(
  "text of at least 1 character",
  (value): value is string => typeof value === "string" && value !== "",
);
const anyText = checked("text", (value): value is string => typeof value === "string");
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const ciphertext = checked(
  "base64",
  (value): value is string => typeof value === "string" && value !== "" && base64.test(value),
);
/** Opaque to the server, so any JSON will do that can be written again. */
const opaque = checked(
  `JSON of at most ${gatewayLimits.jsonLevelsMax} levels`,
  (value): value is unknown => value !== undefined && !isDeeperThan(gatewayLimits.jsonLevelsMax, value),
);

const metadata = decoder(
  `an object of at most ${limits.metadataBytesMax} bytes of JSON and ${gatewayLimits.jsonLevelsMax} levels`,
  (value, context) => {
    if (!isObject(value) || isDeeperThan(gatewayLimits.jsonLevelsMax, value)) return t.failure(value, context);
    return Buffer.byteLength(JSON.stringify(value)) > limits.metadataBytesMax
      ? t.failure(value, context, tooLarge)
      : t.success(value);
  },
);

/**
 * `JSON.parse` takes any depth, `JSON.stringify` overflows the stack at some thousand levels, on another stack at fewer:
 * a message that was accepted must be readable for ever, by clients with other parsers too.
 */
const isDeeperThan = (levels: number, value: unknown): boolean =>
  typeof value === "object" &&
  value !== null &&
  (levels === 0 || Object.values(value).some((inner) => isDeeperThan(levels - 1, inner)));

/** The types that this server takes. A tag that is not here is refused by name, the others by their own fields. */
export const contents = {
  text: shape({ type: oneOf("text"), text: nonEmptyText }, { metadata }),
  location: shape(
    { type: oneOf("location"), latitude: number(-90, 90), longitude: number(-180, 180) },
    { label: anyText, metadata },
  ),
  encrypted: shape({ type: oneOf("encrypted"), ciphertext }, { header: opaque, metadata }),
};
type Arm = keyof typeof contents;
const tag = oneOf(...(Object.keys(contents) as Arm[]));

/** Content whose UTF-8 JSON has at most `bytesMax` bytes. */
export const contentCodec = (bytesMax: number): t.Type<Content, unknown> =>
  decoder(`an object of at most ${bytesMax} bytes of JSON`, (value, context) => {
    if (!isObject(value)) return t.failure(value, context);
    const type = Object.hasOwn(value, "type") ? value.type : undefined;
    if (!tag.is(type)) return t.failure(type, t.appendContext(context, "type", tag, type));
    const decoded = contents[type].validate(value, context);
    if (E.isLeft(decoded)) return decoded;
    const content = JSON.stringify(decoded.right);
    if (exceeds(content, bytesMax)) return t.failure(value, context, tooLarge);
    if (hasLoneSurrogate(content)) return t.failures(loneSurrogates(decoded.right, context));
    return t.success({ contentType: type, content });
  });

/** A UTF-16 unit is 1 to 3 bytes of UTF-8: most texts need no counting. */
const exceeds = (json: string, bytesMax: number): boolean =>
  json.length * 3 > bytesMax && (json.length > bytesMax || Buffer.byteLength(json) > bytesMax);

/** `JSON.stringify` writes halves of pairs, and no other letters, as `\ud…`; an even run of backslashes is only text. */
const escapedSurrogate = /(?<!\\)(?:\\\\)*\\ud[89a-f][0-9a-f]{2}/;
const hasLoneSurrogate = (json: string): boolean => json.includes("\\ud") && escapedSurrogate.test(json);

const wellFormed = checked(
  "text without lone surrogates",
  (value): value is string => typeof value === "string" && isWellFormed(value),
);
const loneSurrogates = (content: object, context: t.Context): t.ValidationError[] =>
  Object.entries(content)
    .filter(([, value]) => hasLoneSurrogate(JSON.stringify(value)))
    .map(([key, value]) => ({ value: value as unknown, context: t.appendContext(context, key, wellFormed, value) }));
