/**
 * Which of MongoDB's errors speak of a moment and not of the request, by the labels that the server and the driver give
 * them, and by the server's own categories (`src/mongo/base/error_codes.yml`, which says no more of a code than this).
 * A server does not send a code's categories, so those that pass are written down here, whole.
 */
const categories: Readonly<Record<string, readonly number[]>> = {
  RetriableError: [
    6, 7, 89, 91, 134, 189, 262, 317, 358, 384, 402, 406, 407, 412, 453, 462, 9_001, 10_107, 11_600, 11_602, 13_435,
    13_436, 50_915, 91_331, 10_045_600,
  ],
  Interruption: [24, 237, 279, 281, 282, 355, 11_601, 46_841],
  CancellationError: [90, 310, 312, 333],
  ExceededTimeLimitError: [50, 202, 290],
  SystemOverloadedError: [433, 449, 450],
  CursorInvalidatedError: [43, 96, 175, 314],
  SnapshotError: [239, 246, 250, 272],
  NeedRetargettingError: [150, 13_388],
  /** Of this one and the next only what a repetition may mend: the others speak of a configuration. */
  WriteConcernError: [64],
  CloseConnectionError: [303, 398],
  /**
   * Codes without a category whose names say it: NotYetInitialized, FailedToSatisfyReadPreference, DatabaseDropPending,
   * ElectionInProgress, TemporarilyUnavailable, UserWritesBlocked, LegacyNotPrimary, OutOfDiskSpace.
   */
  none: [94, 133, 215, 216, 365, 371, 10_058, 14_031],
};

const passingCodes: ReadonlySet<number> = new Set(Object.values(categories).flat());

/** A server or driver that gives one of them knows better than any list. */
const passingLabels = [
  "RetryableWriteError",
  "RetryableError",
  "TransientTransactionError",
  "SystemOverloadedError",
  "ResetPool",
] as const;

export const isPassingCode = (code: unknown): boolean => passingCodes.has(Number(code));

export const hasPassingLabel = (error: { readonly hasErrorLabel: (label: string) => boolean }): boolean =>
  passingLabels.some((label) => error.hasErrorLabel(label));
