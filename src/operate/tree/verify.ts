/** Whether a log, a copy of one or an export of one is what its signed heads say. */
import { createReadStream, existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";
import type { KeyObject } from "node:crypto";
import { eventIn } from "../../audit/export/line.js";
import { publicKeyOf, type ToldHead } from "../../audit/tree/head.js";
import type { EventOrBad } from "../../audit/tree/locate.js";
import { verifyLog, type Verified } from "../../audit/tree/verify.js";
import { noPosition } from "../../domain/kernel/stream.js";
import { t } from "../../domain/kernel/fp.js";
import { treeHeadSignedCodec } from "../../domain/tree.events.js";
import type { Closers } from "../../profiles/close-all.js";
import { closeQuietly } from "../doctor/probe.js";
import { openToRead } from "../open.js";
import { pagesOf } from "../pages.js";
import type { Target } from "../target.js";
import { manifestPathOf, readManifest } from "../transfer/manifest.js";
import { openTreeReads } from "./open.js";

export type VerifyOptions = {
  /** PEM of the keys that are trusted: several where one was lost, and the next could not be linked to it. */
  readonly publicKeyFiles?: readonly string[];
  /** Heads that a witness kept: a JSON text a line. */
  readonly headsFile?: string;
  readonly onProgress?: (leaves: number) => void;
};

export type { Verified } from "../../audit/tree/verify.js";

/** What is asked for cannot be checked as it is. */
export class CannotVerify extends Error {}

/** A running server's log, a stopped one's, or a copy of its directory. @throws (rejects) NotThere, CannotVerify, Error */
export const verifyTarget = async (target: Target, options: VerifyOptions): Promise<Verified> => {
  const opened = await openToRead(target);
  const closers: Closers = [opened.close];
  try {
    const hashes = await openTreeReads(target, closers);
    const upTo = await opened.log.head();
    return await verifyLog({
      events: () => pagesOf(opened.log, noPosition, upTo),
      end: opened.log.head,
      ...(hashes === undefined ? {} : { hashes }),
      ...(await outside(options)),
    });
  } finally {
    await closeQuietly(closers);
  }
};

/** An export of a whole log (`parley events export`, NDJSON, gzip or not), with nothing else. @throws (rejects) as above */
export const verifyFile = async (file: string, options: VerifyOptions): Promise<Verified> => {
  if (!existsSync(file)) throw new CannotVerify(`${file} is not there`);
  if (existsSync(manifestPathOf(file))) {
    const { selection, encoding, compression } = await readManifest(file);
    if (Object.keys(selection).length > 0)
      throw new CannotVerify(`${file} is a part of a log, and heads are of whole ones: export without a selection`);
    if (encoding !== "ndjson" || compression === "zstd")
      throw new CannotVerify(`${file} is ${encoding} with ${compression}: export it as NDJSON with gzip or none`);
  }
  return verifyLog({ events: () => linesOf(file), ...(await outside(options)) });
};

const outside = async ({ publicKeyFiles = [], headsFile, onProgress }: VerifyOptions) => ({
  ...(publicKeyFiles.length === 0 ? {} : { trusted: await Promise.all(publicKeyFiles.map(trustedIn)) }),
  ...(headsFile === undefined ? {} : { witnessed: await headsIn(headsFile) }),
  ...(onProgress === undefined ? {} : { onProgress }),
});

const trustedIn = async (file: string): Promise<KeyObject> => {
  const key = publicKeyOf(await readFile(file, "utf8"));
  if (key === undefined) throw new CannotVerify(`${file} holds no Ed25519 public key in PEM`);
  return key;
};

const headCodec = t.intersection([treeHeadSignedCodec, t.type({ at: t.number })]);

const headsIn = async (file: string): Promise<readonly ToldHead[]> => {
  const heads = new Map<string, ToldHead>();
  let line = 0;
  for await (const text of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    line += 1;
    if (text === "") continue;
    const head = parsed(text);
    if (!headCodec.is(head)) throw new CannotVerify(`${file}: line ${line} is no head`);
    heads.set(text, head);
  }
  return [...heads.values()].toSorted((a, b) => a.size - b.size);
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const pageLines = 500;

async function* linesOf(file: string): AsyncGenerator<readonly EventOrBad[]> {
  const bytes = createReadStream(file);
  const input = (await isGzip(file)) ? bytes.pipe(createGunzip()) : bytes;
  bytes.on("error", (error) => input.destroy(error));
  let page: EventOrBad[] = [];
  let after = 0;
  let line = 0;
  const lines = createInterface({ input, crlfDelay: Infinity });
  try {
    for await (const text of lines) {
      line += 1;
      const event = eventIn(text) ?? { bad: `line ${line} is no event of an export`, after };
      if (!("bad" in event)) after = event.position;
      page.push(event);
      if (page.length < pageLines && !("bad" in event)) continue;
      yield page;
      page = [];
    }
    yield page;
  } finally {
    lines.close();
    bytes.destroy();
  }
}

const isGzip = async (file: string): Promise<boolean> => {
  for await (const chunk of createReadStream(file, { end: 1 }))
    return (chunk as Buffer).equals(Buffer.from([0x1f, 0x8b]));
  return false;
};
