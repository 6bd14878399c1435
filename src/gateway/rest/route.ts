import type { Method } from "../../../client/contract/routes.js";
import { E, type Either } from "../../domain/kernel/fp.js";
import type { Position } from "../../domain/kernel/stream.js";
import type { Started } from "../../commands/commands.js";
import type { HttpResponse } from "../ports.js";
import type { Failure } from "../protocol/codes.js";
import type { Fields } from "../protocol/codecs.js";
import { json, noContent } from "./answers.js";
import { callOf, type Call, type Caller, type Incoming, type Input, type RestContext } from "./call.js";
import { asItWasLeft, ownWritesVisible } from "./visible.js";

/** A call of PROTOCOL §6 as data: what a document of the interface would say of it, and what does it. */
export type Route<M extends Method = Method, Path extends string = string> = {
  readonly method: M;
  readonly path: Path;
  readonly query?: Pick<Fields<never>, "fields">;
  readonly body?: Pick<Fields<never>, "fields">;
  readonly emptyBody?: true;
  /** Whether it counts as one of the user's changes. */
  readonly changes: boolean;
  /** Where all is well: 201 for what this call has made and 200 for what had been there, else one. 204 has no body. */
  readonly statuses: readonly (200 | 201 | 204)[];
  readonly run: (rest: RestContext, incoming: Incoming) => Answered<HttpResponse>;
};

export type Answered<A> = Promise<Either<Failure, A>>;

/** What is written down of a route; `run` has everything decoded. */
type Spec<M extends Method, Path extends string, Query, Body, Outcome> = Input<Path, Query, Body> & {
  readonly method: M;
  readonly run: (call: Call<Path, Query, Body>) => Answered<Outcome>;
};

/** Of a command. Without a position nothing was asked for, and nothing written. */
type Written = { readonly position?: Position };

/** A read. It sees what the caller's answered requests have written; `waits`: its `run` waits itself, for more than that. */
export const reading = <M extends Method, Path extends string, Query = undefined, Body = undefined>({
  waits,
  ...spec
}: Spec<M, Path, Query, Body, object> & { readonly waits?: true }): Route<M, Path> =>
  routeOf(spec, { changes: false, statuses: [200] }, async (call) =>
    ok(await (waits === true ? spec.run(call) : ownWritesVisible(call, () => spec.run(call)))),
  );

/** A command, answered with what `answer` makes of its outcome. */
export const changing = <
  M extends Method,
  Path extends string,
  W extends Written,
  Query = undefined,
  Body = undefined,
>({
  answer,
  ...spec
}: Spec<M, Path, Query, Body, W> & {
  readonly answer: (outcome: W, call: Call<Path, Query, Body>) => Either<Failure, object> | Answered<object>;
}): Route<M, Path> =>
  routeOf(spec, { changes: true, statuses: [200] }, (call) =>
    written(spec.run, call, async (outcome) => ok(await answer(outcome, call))),
  );

/** A command after which there is nothing to say. */
export const removing = <M extends Method, Path extends string, Query = undefined, Body = undefined>(
  spec: Spec<M, Path, Query, Body, Written>,
): Route<M, Path> =>
  routeOf(spec, { changes: true, statuses: [204] }, (call) => written(spec.run, call, () => E.right(noContent())));

/** A command that starts a conversation, or finds it: answered with it as the caller sees it. */
export const starting = <M extends Method, Path extends string, Query = undefined, Body = undefined>(
  spec: Spec<M, Path, Query, Body, Started>,
): Route<M, Path> =>
  routeOf(spec, { changes: true, statuses: [201, 200] }, (call) =>
    written(spec.run, call, async ({ created, state }) => ok(await asItWasLeft(state, call), created ? 201 : 200)),
  );

const routeOf = <M extends Method, Path extends string, Query, Body>(
  spec: Input<Path, Query, Body> & { readonly method: M },
  kind: Pick<Route, "changes" | "statuses">,
  perform: (call: Call<Path, Query, Body>) => Answered<HttpResponse>,
): Route<M, Path> => ({
  ...spec,
  ...kind,
  run: async (rest, incoming) => {
    const call = callOf(spec, rest, incoming);
    return E.isLeft(call) ? call : perform(call.right);
  },
});

/** The one place that notes what was written: the caller's later reads see it. */
const written = async <C extends Caller, W extends Written>(
  command: (call: C) => Answered<W>,
  call: C,
  answer: (outcome: W) => Either<Failure, HttpResponse> | Answered<HttpResponse>,
): Answered<HttpResponse> => {
  const outcome = await command(call);
  if (E.isLeft(outcome)) return outcome;
  const { position } = outcome.right;
  if (position !== undefined) call.catchUp.wrote(call.actor.userId, position);
  return answer(outcome.right);
};

const ok = (answer: Either<Failure, object>, status: 200 | 201 = 200): Either<Failure, HttpResponse> =>
  E.map((body: object) => json(status, body))(answer);
