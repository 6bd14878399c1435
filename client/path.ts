import type { Method, RouteName } from "./contract/routes.js";

type Names<Route extends string> = Route extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;
/** What goes into the `{names}` of a route. */
export type PathParameters<Route extends RouteName> = Readonly<Record<Names<Route>, string>>;

/** `path` below /api/v1, with its query. */
export type Address = readonly [method: Method, path: string];
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** Where a route of the contract is called. */
export function addressOf<Route extends RouteName>(
  route: Route,
  parameters: PathParameters<Route>,
  query: Query = {},
): Address {
  const [method, path = ""] = route.split(" ") as [Method, string?];
  const named: Readonly<Record<string, string>> = parameters;
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(named[name] ?? ""));
  return [method, filled + queryOf(query)];
}

function queryOf(parameters: Query): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, String(value));
  return query.size === 0 ? "" : `?${query.toString()}`;
}
