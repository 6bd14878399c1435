import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import type { Payload } from "./wire.js";

/** Data directories that older versions made, and what those said of them (`make.mjs` there). */
const directory = new URL("../golden/data-directory/", import.meta.url);

export type Question = { readonly userId: string; readonly target: string; readonly body?: object };
export type Answer = { readonly status: number; readonly body: Payload };
export type Made = {
  readonly direct: string;
  readonly private: string;
  readonly group: string;
  readonly left: string;
  /** What was acknowledged, in order. */
  readonly messages: Readonly<Record<"direct" | "group", readonly Payload[]>>;
  readonly asked: readonly (Question & { readonly answer: Answer })[];
};

export const goldenDirectories = readdirSync(directory)
  .filter((file) => file.endsWith(".data.br"))
  .map((file) => file.slice(0, -".data.br".length));

const unpacked = (file: string): Buffer => brotliDecompressSync(readFileSync(new URL(file, directory)));

export const madeBy = (name: string): Made => JSON.parse(unpacked(`${name}.json.br`).toString("utf8")) as Made;

/** A copy to start a server on. */
export const copyOfGolden = (name: string): string => {
  const packed = unpacked(`${name}.data.br`);
  const end = packed.indexOf("\n");
  const dir = mkdtempSync(join(tmpdir(), "parley-golden-"));
  let at = end + 1;
  for (const [file, size] of JSON.parse(packed.toString("utf8", 0, end)) as readonly [string, number][]) {
    writeFileSync(join(dir, file), packed.subarray(at, at + size), { mode: 0o600 });
    at += size;
  }
  return dir;
};
