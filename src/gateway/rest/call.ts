import { E, type Either, type t } from "../../domain/kernel/fp.js";
import type { CommandContext } from "../../domain/kernel/decider.js";
import type { Actor } from "../../domain/kernel/ids.js";
import type { Application } from "../ports.js";
import { isObject, type Fields } from "../protocol/codecs.js";
import type { Failure } from "../protocol/codes.js";
import { failureOf, malformed } from "../protocol/details.js";
import type { CatchUp } from "../access/catch-up.js";
import type { DeviceAccess } from "../access/device-access.js";
import { paramsOf, type ParamsOf } from "./path.js";

/** What routes use. */
export type RestContext = { readonly app: Application; readonly catchUp: CatchUp; readonly deviceAccess: DeviceAccess };

/** An authenticated request for a known route, before the route's codecs have seen it. */
export type Incoming = {
  readonly actor: Actor;
  /** The path's `{names}`, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Undefined for routes that have none. */
  readonly body: Buffer | "too_large" | undefined;
  /** What a command brings with it; one per request. */
  readonly context: CommandContext;
};

/** What a route reads of a request. */
export type Input<Path extends string, Query, Body> = {
  readonly path: Path;
  readonly query?: Fields<Query>;
  readonly body?: Fields<Body>;
  /** Where every field is optional: an empty body asks for nothing, as `{}` does. */
  readonly emptyBody?: true;
};

/** The caller of a route, with what the application answers by. */
export type Caller = RestContext & { readonly actor: Actor; readonly context: CommandContext };

/** A request as its route's `run` has it: everything decoded. */
export type Call<Path extends string, Query, Body> = Caller & {
  readonly path: ParamsOf<Path>;
  readonly query: Query;
  readonly body: Body;
};

/** Path, then query, then body: the first that is wrong is what the client hears of, with all that is wrong in it. */
export const callOf = <Path extends string, Query, Body>(
  input: Input<Path, Query, Body>,
  rest: RestContext,
  { actor, context, ...incoming }: Incoming,
): Either<Failure, Call<Path, Query, Body>> => {
  const path = paramsOf(input.path, incoming.params);
  if (E.isLeft(path)) return path;
  const query = queryOf(input.query, incoming.query);
  if (E.isLeft(query)) return query;
  const body = bodyOf(input.body, incoming.body, input.emptyBody === true);
  if (E.isLeft(body)) return body;
  return E.right({ ...rest, actor, context, path: path.right, query: query.right, body: body.right });
};

/** Of a name that is given twice the first value counts. */
const queryOf = <Query>(query: Fields<Query> | undefined, given: URLSearchParams): Either<Failure, Query> => {
  if (query === undefined) return E.right(undefined as Query);
  const values = Object.fromEntries(Array.from(given).reverse());
  return E.mapLeft((errors: t.Errors) => failureOf(errors, "query"))(query.decode(values));
};

const bodyOf = <Body>(
  body: Fields<Body> | undefined,
  given: Incoming["body"],
  emptyBody: boolean,
): Either<Failure, Body> => {
  if (body === undefined) return E.right(undefined as Body);
  if (given === "too_large") return E.left({ code: "TOO_LARGE", message: "The body is too large." });
  const isEmpty = given === undefined || given.length === 0;
  const parsed = isEmpty && emptyBody ? {} : parse(given ?? Buffer.alloc(0));
  if (!isObject(parsed)) return E.left(malformed([{ field: "body", expected: "a JSON object in UTF-8" }]));
  return E.mapLeft((errors: t.Errors) => failureOf(errors, "body"))(body.decode(parsed));
};

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Undefined for what is not UTF-8 or not JSON: it is no object either. */
const parse = (body: Buffer): unknown => {
  try {
    return JSON.parse(utf8.decode(body)) as unknown;
  } catch {
    return undefined;
  }
};
