import { ParleyError, asParleyError } from "./errors.js";

/** @throws ParleyError INVALID_MESSAGE for what JSON has no text for: a circle, a BigInt. */
export function jsonOf(value: object): string {
  try {
    return JSON.stringify(value);
  } catch (thrown) {
    throw asParleyError(thrown, "INVALID_MESSAGE", "not to be written as JSON");
  }
}

/** The same again, out of reach of a caller that holds the original. @throws as `jsonOf`. */
export const copyOf = <A extends object>(value: A): A => JSON.parse(jsonOf(value)) as A;

/** @throws ParleyError TOO_LARGE when the text is longer than that in UTF-8. */
export function assertFits(text: string, bytesMax: number): void {
  if (text.length * 3 <= bytesMax) return; // no character of JavaScript's takes more
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > bytesMax) throw new ParleyError("TOO_LARGE", `${bytes} bytes are more than a frame takes`);
}
