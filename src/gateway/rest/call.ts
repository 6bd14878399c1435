import { E, type Either, type t } from "../../domain/kernel/fp.js";
import type { CommandContext } from "../../domain/kernel/decider.js";
import type { Actor } from "../../domain/kernel/ids.js";
import { conversationNotFound } from "../../domain/rejections.js";
import type { Application, HttpResponse } from "../ports.js";
import type { Failure } from "../protocol/codes.js";
import { failureOf, malformed } from "../protocol/details.js";
import { isConversationName } from "../protocol/frames.js";
import { isObject } from "../protocol/codecs.js";
import type { Shared } from "../shared.js";

/** What the handlers use. */
export type RestContext = { readonly app: Application; readonly shared: Shared };

/** An authenticated request for a known route. */
export type Call = {
  readonly actor: Actor;
  /** The path's `{names}`, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Undefined for methods that have none. */
  readonly body: Buffer | "too_large" | undefined;
  /** What a command brings with it; one per request. */
  readonly context: CommandContext;
};

export type Handler = (rest: RestContext, call: Call) => Promise<Either<Failure, HttpResponse>>;

/** The body as the codec wants it; every field that is wrong is named. */
export const bodyOf = <A>({ body }: Call, codec: t.Type<A, unknown>): Either<Failure, A> => {
  if (body === "too_large") return E.left({ code: "TOO_LARGE", message: "The body is too large." });
  const parsed = parse(body ?? Buffer.alloc(0));
  if (!isObject(parsed)) return E.left(malformed([{ field: "body", expected: "a JSON object in UTF-8" }]));
  return E.mapLeft((errors: t.Errors) => failureOf(errors, "body"))(codec.decode(parsed));
};

/** The same where every field is optional: an empty body asks for nothing, as `{}` does. */
export const patchOf = <A>(call: Call, codec: t.Type<A, unknown>): Either<Failure, A> =>
  call.body === "too_large" || (call.body?.length ?? 0) > 0
    ? bodyOf(call, codec)
    : bodyOf({ ...call, body: emptyObject }, codec);

const emptyObject = Buffer.from("{}");

/** The query as the codec wants it. Of a name that is given twice the first value counts. */
export const queryOf = <A>({ query }: Call, codec: t.Type<A, unknown>): Either<Failure, A> => {
  const values = Object.fromEntries(Array.from(query).reverse());
  return E.mapLeft((errors: t.Errors) => failureOf(errors, "query"))(codec.decode(values));
};

/** The path's conversation: what cannot be an id is one that does not exist. */
export const conversationOf = ({ params }: Call): Either<Failure, string> =>
  isConversationName(params.conversationId) ? E.right(params.conversationId) : E.left(conversationNotFound);

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Undefined for what is not UTF-8 or not JSON: it is no object either. */
const parse = (body: Buffer): unknown => {
  try {
    return JSON.parse(utf8.decode(body)) as unknown;
  } catch {
    return undefined;
  }
};
