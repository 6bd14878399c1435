import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { createCommands } from "../../src/commands/execute.js";
import type { EventLog } from "../../src/commands/ports.js";
import { sealingWith } from "../../src/commands/sealing.js";
import { openSqliteLog, type SqliteLog } from "../../src/infra/event-log/sqlite.js";
import { openSqliteKeyStore, type SqliteKeyStore } from "../../src/infra/key-store/sqlite.js";

/** A real log and key store in a directory of their own. */
export type LogKit = {
  readonly log: SqliteLog;
  readonly keys: SqliteKeyStore;
  readonly dispose: () => Promise<void>;
};

export const openLogKit = async (): Promise<LogKit> => {
  const dir = mkdtempSync(join(tmpdir(), "parley-log-"));
  const log = await openSqliteLog(join(dir, "log.db"));
  const keys = await openSqliteKeyStore(join(dir, "keys.db"));
  return {
    log,
    keys,
    dispose: async () => {
      await log.close();
      await keys.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
};

/** The write side as one process has it; several on one log are several processes as far as the log can tell. */
export const commandsOn = (kit: LogKit, log: EventLog = kit.log) =>
  createCommands({ log, sealing: sealingWith(kit.keys, true), ids: { uuid: randomUUID }, home: "main" });
