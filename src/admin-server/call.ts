import type { t } from "../domain/kernel/fp.js";

/** One call of an operator. `run`'s answer goes back as JSON. */
export type AdminCall = {
  readonly input: t.Mixed;
  readonly run: (input: never, context: CallContext) => Promise<unknown>;
};

export type CallContext = {
  /** Shown to the operator while the call goes on. */
  readonly progress: (done: number, of: number) => void;
  /** Aborted when the operator has gone, or the server ends. */
  readonly signal: AbortSignal;
};

/** By the name that a command calls it with. */
export type AdminCalls = Readonly<Record<string, AdminCall>>;

export const adminCall = <A>(
  input: t.Type<A>,
  run: (input: A, context: CallContext) => Promise<unknown>,
): AdminCall => ({ input, run: run });

/** Why a call was not done: told to the operator with its code, which programs may look at. */
export class CallRefused extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = "CallRefused";
  }
}
