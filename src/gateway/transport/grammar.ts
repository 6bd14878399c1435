import type { HttpResponse } from "../ports.js";
import type { NativeRequest } from "./native.js";

/**
 * What of a request's head two servers could understand differently, in a sentence for its sender; undefined when nothing
 * is. The library takes the first of two lengths and reads what is beyond it as the next request: a client that puts a
 * request there speaks on another client's connection when a proxy has taken the second (request smuggling). What it
 * refuses by itself, and what cannot be seen from here, is in ADR 15.
 */
export const ambiguityOf = (request: NativeRequest): Ambiguity | undefined => {
  const { host: hosts, "content-length": lengths, "transfer-encoding": codings, trailer } = framingOf(request);
  if (hosts.length > 1) return { field: "host", expected: "one header" };
  if (lengths.length > 1) return { field: "content-length", expected: "one header" };
  // The library refuses whatever else is no number; of an empty one it makes "no body".
  if (lengths[0] === "") return { field: "content-length", expected: "a number" };
  // Whatever the coding is called, the library reads chunks; a proxy that does not know it may read something else.
  if (codings.length > 1 || (codings[0] ?? "chunked").toLowerCase() !== "chunked")
    return { field: "transfer-encoding", expected: "chunked, or a content-length instead" };
  // The library reads trailers as the next request, and its complaint about that takes the place of our answer.
  if (trailer.length > 0) return { field: "trailer", expected: "no trailers" };
  return undefined;
};

/** Of an upgrade moreover: a body would be read as frames. */
export const upgradeAmbiguityOf = (request: NativeRequest): Ambiguity | undefined => {
  const ambiguity = ambiguityOf(request);
  if (ambiguity !== undefined) return ambiguity;
  if (request.getHeader("transfer-encoding") !== "") return { field: "transfer-encoding", expected: "no body" };
  return /^0*$/.test(request.getHeader("content-length"))
    ? undefined
    : { field: "content-length", expected: "no body" };
};

export type Ambiguity = { readonly field: string; readonly expected: string };

/** To be given with the end of the connection: where the next request begins cannot be known. */
export const ambiguous = (ambiguity: Ambiguity): HttpResponse => ({
  status: 400,
  body: JSON.stringify({
    error: "INVALID_MESSAGE",
    message: `This request can be read in more than one way: ${ambiguity.field} must be ${ambiguity.expected}.`,
    details: [ambiguity],
  }),
});

type Framing = Readonly<Record<(typeof framingHeaders)[number], readonly string[]>>;
const framingHeaders = ["host", "content-length", "transfer-encoding", "trailer"] as const;

/** Every value of each: `getHeader` knows the first alone. */
const framingOf = (request: NativeRequest): Framing => {
  const found: Record<(typeof framingHeaders)[number], string[]> = {
    ...{ host: [], "content-length": [], "transfer-encoding": [], trailer: [] },
  };
  request.forEach((name, value) => {
    const framing = framingHeaders.find((one) => one === name);
    if (framing !== undefined) found[framing].push(value);
  });
  return found;
};
