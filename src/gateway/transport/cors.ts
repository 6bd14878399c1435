import type { NativeRequest } from "./native.js";

/** Browser origins that may come in; empty: the check is off, and REST is for the page's own origin. `*`: all. */
export type Origins = readonly string[];

/** Clients that are no browsers send no origin and are not concerned. */
export const isOriginAllowed = (origins: Origins, origin: string): boolean =>
  origin === "" || origins.length === 0 || origins.includes("*") || origins.includes(origin);

export const corsHeaders = (origins: Origins, origin: string): Readonly<Record<string, string>> =>
  origin === "" || origins.length === 0 || !isOriginAllowed(origins, origin)
    ? {}
    : {
        "access-control-allow-origin": origin,
        "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
        "access-control-allow-headers": "authorization, content-type",
        "access-control-expose-headers": "retry-after",
        "access-control-max-age": "600",
        vary: "origin",
      };

export const isPreflight = (method: string, request: NativeRequest): boolean =>
  method === "OPTIONS" && request.getHeader("access-control-request-method") !== "";
