import { ParleyError, asParleyError } from "./errors.js";

/** The application's: the JWT of this user and device. */
export type TokenSource = (why: { readonly rejected: boolean }) => string | Promise<string>;

/** What a header takes and a WebSocket's subprotocol does, too; a JWT needs less. */
const tokenPattern = /^[\w!#$%&'*+.^`|~-]+$/;

/**
 * A token of the source's, without the white space that files and answers have around it. Rejects with ParleyError:
 * UNAUTHORIZED, unless the source threw one of its own.
 */
export async function tokenFrom(source: TokenSource, why: { readonly rejected: boolean }): Promise<string> {
  let given: unknown;
  try {
    given = await source(why);
  } catch (thrown) {
    throw asParleyError(thrown, "UNAUTHORIZED", "no token");
  }
  const token = typeof given === "string" ? given.trim() : "";
  if (tokenPattern.test(token)) return token;
  // Never the text itself: errors are logged.
  const what = typeof given === "string" ? "a text that is none" : String(given === null ? null : typeof given);
  throw new ParleyError("UNAUTHORIZED", `no token: token() gave ${what}`);
}
