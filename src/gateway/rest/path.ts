import { E, type Either, type t } from "../../domain/kernel/fp.js";
import { conversationNotFound, type Rejection } from "../../domain/rejections.js";
import type { Failure } from "../protocol/codes.js";
import { checked } from "../protocol/codecs.js";
import { failureOf } from "../protocol/details.js";
import { conversationName } from "../protocol/names.js";

/** Which of them there are is for the command or query to say: it tells "no such user" only to a caller who may know. */
const anyText = checked("text", (value): value is string => typeof value === "string");

/** Every `{name}` that a path may have. `otherwise`: what cannot be an id is one that does not exist. */
export const pathNames: Readonly<
  Record<PathName, { readonly codec: t.Type<string, unknown>; readonly otherwise?: Rejection }>
> = {
  conversationId: { codec: conversationName, otherwise: conversationNotFound },
  messageId: { codec: anyText },
  userId: { codec: anyText },
  deviceId: { codec: anyText },
};

type PathName = "conversationId" | "messageId" | "userId" | "deviceId";

/** `"/users/{userId}"` → `"userId"`; a name that has no codec is left out. Of a path that is only known as text: any. */
type NamesIn<Path extends string> = string extends Path
  ? string
  : Path extends `${string}{${infer Name}}${infer Rest}`
    ? Extract<Name, PathName> | NamesIn<Rest>
    : never;

/** What a path's names stand for. */
export type ParamsOf<Path extends string> = Readonly<Record<NamesIn<Path>, string>>;

export const segmentsOf = (path: string): readonly string[] => path.split("/").slice(1);

/** `"{userId}"` → `"userId"`; undefined for a segment that stands for itself. */
export const nameIn = (segment: string): string | undefined => /^\{(\w+)\}$/.exec(segment)?.[1];

/** The one place that judges what stands in a path. */
export const paramsOf = <Path extends string>(
  path: Path,
  given: Readonly<Record<string, string>>,
): Either<Failure, ParamsOf<Path>> => {
  const params: Record<string, string> = {};
  for (const name of segmentsOf(path).flatMap((segment) => nameIn(segment) ?? [])) {
    const { codec, otherwise } = pathNames[name as PathName];
    const decoded = codec.decode(given[name]);
    if (E.isLeft(decoded)) return E.left(otherwise ?? failureOf(decoded.left, "path"));
    params[name] = decoded.right;
  }
  return E.right(params as ParamsOf<Path>);
};
