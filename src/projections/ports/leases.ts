/**
 * Partitions of the log's streams shared among processes by leases. Leases only share work: two holders of one partition
 * are harmless, and while the store of leases is away for longer than a lease every holder has all of them.
 */
export type PartitionLeases = {
  readonly held: () => readonly number[];
  /** Gives them back, so that others need not wait until they lapse. */
  readonly stop: () => Promise<void>;
};
