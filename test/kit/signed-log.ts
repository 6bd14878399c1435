import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lineOf, isLeaf } from "../../src/audit/canonical.js";
import { publicKeyOf, publicPemOf, toldHead, type ToldHead } from "../../src/audit/tree/head.js";
import { openTreeKeeper } from "../../src/audit/tree/keeper.js";
import { createTreeSigner } from "../../src/audit/tree/signer.js";
import { openEpoch } from "../../src/commands/epoch.js";
import { noPosition, streamOf, type RecordedEvent } from "../../src/domain/kernel/stream.js";
import { openSqliteLog } from "../../src/infra/event-log/sqlite/event-log.js";
import { openTreeKeyFile } from "../../src/infra/tree-keys/file.js";
import { openSqliteTree } from "../../src/infra/tree-store/sqlite/tree-store.js";
import { findKey } from "../../src/operate/tree/heads.js";
import { appendLeaves } from "./tree.js";

export type SignedLog = {
  readonly dir: string;
  readonly events: readonly RecordedEvent[];
  readonly heads: readonly ToldHead[];
  /** PEM. */
  readonly publicKey: string;
};

/** A data directory as a server leaves it: a log, its tree, and a head after each of these many events; the last ones have none. */
export const makeSignedLog = async (
  dir: string,
  spans: readonly number[],
  { rotateAfter = -1 } = {},
): Promise<SignedLog> => {
  mkdirSync(dir, { recursive: true });
  const log = await openSqliteLog(join(dir, "log.db"));
  const store = openSqliteTree(join(dir, "tree.db"));
  const ids = { uuid: randomUUID };
  const epoch = await openEpoch(log, "main", Date.now, ids);
  const keeper = await openTreeKeeper({ source: log, store, epoch });
  const signer = createTreeSigner({ log, keys: openTreeKeyFile(join(dir, "tree.key")), clock: Date.now, ids });
  const heads: ToldHead[] = [];
  for (const [index, span] of spans.entries()) {
    await appendLeaves(log, span);
    const { size } = (await keeper.catchUp()).checkpoint;
    if (index === spans.length - 1) break;
    const head = await signer.sign({ size, root: await keeper.root(size), epoch });
    if (head !== undefined) heads.push(toldHead(head));
    if (index === rotateAfter) await signer.rotate({ kind: "operator" });
  }
  const events = await log.readAll(noPosition, 100_000);
  const added = await findKey(log, heads[0]?.keyId ?? "");
  const key = publicKeyOf(added?.publicKey ?? "");
  if (key === undefined) throw new Error("no key was named");
  await log.close();
  store.close();
  return { dir, events, heads, publicKey: publicPemOf(key) };
};

/** What `parley events export --compress none` writes of these events. */
export const writeExport = (path: string, events: readonly RecordedEvent[]): void => {
  const lines = events.filter(({ stream }) => isLeaf(stream)).map((event) => `${lineOf(event)}\n`);
  writeFileSync(path, lines.join(""));
};

export const isHead = ({ stream, type }: RecordedEvent): boolean =>
  stream === streamOf.tree && type === "TreeHeadSigned";
