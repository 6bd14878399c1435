import { join } from "node:path";
import { openSqliteViewsFile } from "../../../../src/infra/view-store/sqlite/views-file.js";
import { sqliteGenerations } from "../../../../src/infra/view-store/sqlite/generations.js";
import { generationsContract } from "../../../contract/generations.contract.js";
import { temporaryDirectory } from "../../../kit/sqlite-views.js";

generationsContract("SQLite files", () => {
  const directory = temporaryDirectory();
  const live = openSqliteViewsFile(join(directory.path, "views.db"));
  return Promise.resolve({
    generations: sqliteGenerations(directory.path),
    live: {
      apply: (changes, checkpoint) => {
        live.apply(changes, checkpoint);
        return Promise.resolve();
      },
    },
    close: () => {
      live.close();
      directory.remove();
      return Promise.resolve();
    },
  });
});
