/**
 * Which files of views a data directory has. `views.db` is the first generation, `views.gN.db` the N-th; `views.json` says
 * which one is live and what is known of the others, and is there as soon as there was a second. It is replaced as a whole,
 * so a reader sees one moment of it.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { replaceSecretFile } from "../../secret-file.js";
import type { Generation } from "../../../projections/ports/generations.js";

/** A generation beside the live one. */
export type KeptGeneration = Pick<Generation, "number" | "names" | "forkedAt"> & {
  readonly state: "building" | "ready" | "old";
};
export type GenerationList = { readonly live: number; readonly beside: readonly KeptGeneration[] };

export const generationPath = (dir: string, number: number): string =>
  join(dir, number === 1 ? "views.db" : `views.g${number}.db`);

const listPath = (dir: string): string => join(dir, "views.json");

/** @throws Error for a list that is none, with what to do */
export const readGenerationList = (dir: string): GenerationList => {
  const path = listPath(dir);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { live: 1, beside: [] };
    throw error;
  }
  try {
    const list = JSON.parse(text) as GenerationList;
    if (Number.isSafeInteger(list.live) && list.live > 0) {
      // What was deleted by hand is not there any more.
      const isThere = ({ number }: KeptGeneration): boolean =>
        number !== list.live && existsSync(generationPath(dir, number));
      return { live: list.live, beside: list.beside.filter(isThere) };
    }
  } catch {
    // Said below, with what to do.
  }
  throw new Error(
    `${path} is damaged. Stop Parley, delete ${path} and every ${join(dir, "views.*")}, and start it: views are built again from the log`,
  );
};

export const writeGenerationList = (dir: string, list: GenerationList): Promise<void> =>
  replaceSecretFile(listPath(dir), JSON.stringify(list));

/** The file that readers are served from. */
export const liveViewsPath = (dir: string): string => generationPath(dir, readGenerationList(dir).live);

/** All files of views that are there, without their WALs: also such as no list names, which a kill may leave. */
export const viewsPathsIn = (dir: string): readonly string[] =>
  existsSync(dir)
    ? readdirSync(dir)
        .filter((name) => /^views(\.g\d+)?\.db$/.test(name))
        .map((name) => join(dir, name))
    : [];
