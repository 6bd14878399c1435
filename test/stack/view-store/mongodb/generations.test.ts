import { describe } from "vitest";
import { mongoGenerations } from "../../../../src/infra/view-store/mongodb/generations/generations.js";
import { openMongoViews } from "../../../../src/infra/view-store/mongodb/view-store.js";
import { generationsContract } from "../../../contract/generations.contract.js";
import { engine } from "../../../kit/engines.js";
import { openTestDatabase } from "./views-kit.js";

const url = engine("PARLEY_MONGODB_URL");

describe.skipIf(url === undefined)("MongoDB", () => {
  generationsContract("MongoDB", async () => {
    const mongo = await openTestDatabase(url ?? "");
    const views = await openMongoViews({ db: mongo.db, partitions: 3 });
    const generations = mongoGenerations({ db: mongo.db, partitions: 3 });
    return {
      generations,
      live: views.store,
      close: async () => {
        await generations.close();
        await views.close();
        await mongo.drop();
      },
    };
  });
});
