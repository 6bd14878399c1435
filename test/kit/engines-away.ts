import { randomBytes } from "node:crypto";

/** What the distributed profile has to be told, of engines of which none is there. */
export const enginesAway = {
  PARLEY_EVENTSTORE_URL: "esdb://127.0.0.1:1?tls=false",
  PARLEY_MONGODB_URL: "mongodb://127.0.0.1:1",
  PARLEY_NATS_URL: "nats://127.0.0.1:1",
  PARLEY_REDIS_URL: "redis://127.0.0.1:1",
  PARLEY_MASTER_KEY: randomBytes(32).toString("base64"),
  PARLEY_TOKEN_SECRET: randomBytes(32).toString("base64"),
};
