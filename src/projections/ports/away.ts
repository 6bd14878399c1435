/** A store that cannot be asked now, though nothing is wrong with the request: what it rejects with. */
export class StoreUnavailable extends Error {
  readonly code = "UNAVAILABLE";
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StoreUnavailable";
  }
}

/** Whether an error says that a store or the log cannot be asked now: what was asked may be asked again. */
export const isAway = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "UNAVAILABLE" || error.code === "OUTCOME_UNKNOWN");
