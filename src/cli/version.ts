import { createRequire } from "node:module";

/** The package's own; `dist/src/cli` is three folders below it. */
export const { version } = createRequire(import.meta.url)("../../../package.json") as { readonly version: string };
