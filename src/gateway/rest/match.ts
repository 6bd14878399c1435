import { nameIn, segmentsOf } from "./path.js";
import type { Method } from "../../../client/contract/routes.js";
import type { Route } from "./route.js";
import { routes } from "./routes.js";

export const prefix = "/api/v1";

export type Match =
  | { readonly kind: "route"; readonly route: Route; readonly params: Readonly<Record<string, string>> }
  | { readonly kind: "not_found" }
  /** The path has other methods. */
  | { readonly kind: "method"; readonly allowed: readonly string[] }
  /** A `%` that is no percent-encoding of UTF-8. */
  | { readonly kind: "bad_path" };

type Pattern = { readonly segments: readonly string[]; readonly methods: ReadonlyMap<string, Route> };

const patterns: readonly Pattern[] = Array.from(new Set(routes.map(({ path }) => path)), (path) => ({
  segments: segmentsOf(path),
  methods: new Map<Method, Route>(
    routes.filter((route) => route.path === path).map((route) => [route.method, route] as const),
  ),
}));

/** Method and raw path → route and decoded parameters. HEAD is answered as GET, the transport leaves the body out. */
export const matchRoute = (method: string, path: string): Match => {
  if (!path.startsWith(`${prefix}/`)) return { kind: "not_found" };
  const segments = segmentsOf(path.slice(prefix.length));
  const pattern = patterns.find((candidate) => fits(candidate, segments));
  if (pattern === undefined) return { kind: "not_found" };
  const route = pattern.methods.get(method === "HEAD" ? "GET" : method);
  if (route === undefined) return { kind: "method", allowed: allowedMethods(pattern) };
  const params = paramsOf(pattern, segments);
  return params === undefined ? { kind: "bad_path" } : { kind: "route", route, params };
};

const allowedMethods = ({ methods }: Pattern): readonly string[] => [
  ...methods.keys(),
  ...(methods.has("GET") ? ["HEAD"] : []),
  "OPTIONS",
];

/** An empty segment is no parameter: `/users/` is not a route. */
const fits = ({ segments }: Pattern, given: readonly string[]): boolean =>
  segments.length === given.length &&
  segments.every((segment, index) => (nameIn(segment) === undefined ? segment === given[index] : given[index] !== ""));

const paramsOf = ({ segments }: Pattern, given: readonly string[]): Readonly<Record<string, string>> | undefined => {
  const params: Record<string, string> = {};
  for (const [index, segment] of segments.entries()) {
    const name = nameIn(segment);
    if (name === undefined) continue;
    const decoded = decode(given[index] ?? "");
    if (decoded === undefined) return undefined;
    params[name] = decoded;
  }
  return params;
};

const decode = (segment: string): string | undefined => {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
};
