import type { t } from "../../domain/kernel/fp.js";
import type { FieldProblem } from "../../domain/rejections.js";
import { gatewayLimits } from "../limits.js";
import { tooLarge } from "./codecs.js";
import type { Failure } from "./codes.js";

/**
 * What a codec refused → what the client reads. `root` names the whole value ("payload", "body") when it is itself
 * what is wrong; fields inside are named by their path alone ("content.text", "cursors.3.upToSequence").
 * A wrong shape goes before a size: TOO_LARGE is said only of what is otherwise well.
 */
export const failureOf = (errors: t.Errors, root: string): Failure => {
  const shapes = errors.filter((error) => error.message !== tooLarge);
  const code = shapes.length > 0 ? "INVALID_MESSAGE" : "TOO_LARGE";
  const told = shapes.length > 0 ? shapes : errors;
  return malformed(
    told.slice(0, gatewayLimits.detailsMax).map((error) => problemOf(error, root)),
    code,
  );
};

const problemOf = (error: t.ValidationError, root: string): FieldProblem => {
  const path = error.context.map((entry) => entry.key).filter((key) => key !== "");
  return {
    field: path.length > 0 ? path.join(".") : root,
    expected: error.context.at(-1)?.type.name ?? "another value",
  };
};

/** A refusal for its shape, with every field that is wrong (the first of them in the sentence). */
export const malformed = (
  details: readonly FieldProblem[],
  code: "INVALID_MESSAGE" | "TOO_LARGE" = "INVALID_MESSAGE",
): Failure => {
  const first = details[0];
  const message = first === undefined ? "The request is malformed." : `${first.field}: expected ${first.expected}.`;
  return { code, message, details };
};
