import type { EventLog, KeyStore } from "../commands/ports.js";
import type { OrderedLog } from "./transfer/append.js";
import type { DistributedConfig } from "../settings/distributed.js";

/** Which Parley a command is about: that of a data directory, its server running or not, or that of the engines. */
export type Target = EmbeddedTarget | DistributedTarget;
export type EmbeddedTarget = { readonly profile: "embedded"; readonly dir: string };
export type DistributedTarget = { readonly profile: "distributed"; readonly config: DistributedConfig };

export type LogToRead = Pick<EventLog, "readStream" | "readAll" | "head">;
export type KeysToRead = Pick<KeyStore, "cached" | "find">;

/** What a profile opens to read. */
export type OpenedParts = { readonly log: LogToRead; readonly openKeys: () => Promise<KeysToRead> };

/** A log that nobody else writes: no server runs on the directory, no process of the cell on the engines. */
export type OpenedToWrite = {
  readonly log: EventLog;
  readonly ordered: OrderedLog;
  /** Takes away what was made of the log and is made again from it: views, checkpoints, snapshots. */
  readonly forgetDerived: () => Promise<void>;
  readonly close: () => Promise<void>;
};

export type WriteOptions = {
  /** Makes the log where there is none. */
  readonly create?: boolean;
  /** Goes on where an engine does not say which processes run. */
  readonly unchecked?: boolean;
};
