/**
 * The only doorway to fp-ts and io-ts. A small vocabulary on purpose: Either and codecs.
 * The deep `lib/*.js` paths are the ones that resolve under ESM (the short ones type-check and then fail at run time).
 */
import * as either from "fp-ts/lib/Either.js";
import * as t from "io-ts";

export { either as E, t };
export type { Either } from "fp-ts/lib/Either.js";
