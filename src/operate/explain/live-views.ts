import { noPosition } from "../../domain/kernel/stream.js";
import { openToRead } from "../../infra/engines/sqlite-file.js";
import { liveViewsPath } from "../../infra/view-store/sqlite/generation-files.js";
import { sqliteReads } from "../../infra/view-store/sqlite/reads.js";
import { checkpointIn, ViewsOfAnotherVersion } from "../../infra/view-store/sqlite/stored-rows.js";
import type { Closers } from "../../profiles/close-all.js";
import { viewsVersion } from "../../projections/registry.js";
import { asynchronous } from "../as-of/scratch-views.js";
import { readCheckpoint } from "../inspect/stores.js";
import type { Target } from "../target.js";
import type { OpenedLiveViews } from "./views.js";

/** @throws (rejects) NotThere without views, ViewsOfAnotherVersion, Error that names MongoDB when it does not answer */
export const openLiveViews = async (target: Target, closers: Closers): Promise<OpenedLiveViews> => {
  if (target.profile === "embedded") return openFile(target.dir, closers);
  const { openLiveMongoViews } = await import("./live-mongo-views.js");
  return openLiveMongoViews(target.config, closers);
};

const openFile = (dir: string, closers: Closers): OpenedLiveViews => {
  readCheckpoint(dir);
  const path = liveViewsPath(dir);
  const db = openToRead(path);
  closers.push(() => {
    db.close();
    return Promise.resolve();
  });
  const version = db.pragma("user_version", { simple: true }) as number;
  if (version !== viewsVersion) throw new ViewsOfAnotherVersion(path, version);
  return {
    reads: asynchronous(sqliteReads(db)),
    reached: () => Promise.resolve(checkpointIn(db)?.position ?? noPosition),
    epoch: () => Promise.resolve(checkpointIn(db)?.epoch),
  };
};
