import { join } from "node:path";
import { readOrCreateMasterKeyFile } from "../../src/infra/key-store/master-key-file.js";
import type { MasterKeys } from "../../src/infra/key-store/wrapping.js";

/** For stores that no server opens. */
export const testMasterKeys: MasterKeys = [Buffer.alloc(32, 7)];

/** Of a server's data directory; made where there is none yet. */
export const masterKeysIn = (dir: string): Promise<MasterKeys> => readOrCreateMasterKeyFile(join(dir, "master.key"));
