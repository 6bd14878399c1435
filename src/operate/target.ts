import type { EventLog, KeyStore } from "../commands/ports.js";
import type { DistributedConfig } from "../settings/distributed.js";

/** Which Parley a command is about: that of a data directory, its server running or not, or that of the engines. */
export type Target = EmbeddedTarget | DistributedTarget;
export type EmbeddedTarget = { readonly profile: "embedded"; readonly dir: string };
export type DistributedTarget = { readonly profile: "distributed"; readonly config: DistributedConfig };

export type LogToRead = Pick<EventLog, "readStream" | "readAll" | "head">;
export type KeysToRead = Pick<KeyStore, "cached" | "find">;

/** What a profile opens to read. */
export type OpenedParts = { readonly log: LogToRead; readonly openKeys: () => Promise<KeysToRead> };
