import { E, type Either } from "../../src/domain/kernel/fp.js";
import type { Rejection } from "../../src/domain/rejections.js";

/** @throws Error for a refusal, with its code */
export const right = <A>(answer: Either<Rejection, A>): A => {
  if (E.isLeft(answer)) throw new Error(`${answer.left.code}: ${answer.left.message}`);
  return answer.right;
};

/** Of a refusal; "none" where there is an answer. */
export const codeOf = (answer: Either<Rejection, unknown>): string => (E.isLeft(answer) ? answer.left.code : "none");
