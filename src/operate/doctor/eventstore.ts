import { newestEpoch } from "../../commands/epoch.js";
import { acquireClient } from "../../infra/event-log/eventstoredb/client.js";
import { openEventStoreDb, type EventStoreDbLog } from "../../infra/event-log/eventstoredb/event-log.js";
import type { DistributedConfig } from "../../settings/distributed.js";
import { probe, type Finding } from "./probe.js";
import type { Closers } from "../../profiles/engines.js";

export type LogFacts = { readonly log: EventStoreDbLog };

const name = "eventstore";
const mends = {
  away: "Start EventStoreDB (or KurrentDB), and check PARLEY_EVENTSTORE_URL: host, port, tls=true or false, user and password (percent-encoded)",
  refused:
    "EventStoreDB is there and refuses us: check the user and password (percent-encoded) in PARLEY_EVENTSTORE_URL, that tls=false is not there (no password is sent then), and that the user may read $all and write streams",
  tls: "Name the authority of its certificate in PARLEY_EVENTSTORE_URL (tlsCAFile=FILE, which this user can read), and the host as the certificate has it; tls=false where it speaks no TLS",
};

/** Whether it answers, takes batches and can be read; its head and its epoch. */
export const lookAtLog = ({ eventStoreUrl: url }: DistributedConfig, closers: Closers): Promise<Finding<LogFacts>> =>
  probe(name, mends, async () => {
    const log = openEventStoreDb({ url });
    closers.push(log.close);
    await log.ping();
    const { target, version } = await serverOf(url, closers);
    const [head, epoch] = await Promise.all([log.head(), newestEpoch(log)]);
    const server = `${target} answers (says it is ${version})`;
    if (epoch === undefined) {
      const says = `${server}; no log of Parley is there yet: the first start begins it`;
      const other = "If there should be one, PARLEY_EVENTSTORE_URL names another server";
      return { checks: [{ name, state: "warning", says, mend: other }], facts: { log } };
    }
    return { checks: [{ name, state: "ok", says: `${server}; head ${head}, epoch ${epoch}` }], facts: { log } };
  });

/** Kinds of servers cannot be told apart by more than the version that they announce. */
const serverOf = async (url: string, closers: Closers) => {
  const { internals, target, release } = acquireClient(url, () => undefined);
  closers.push(release);
  const { serverVersion } = await internals.capabilities;
  return { target, version: serverVersion === "" ? "of no version" : `version ${serverVersion}` };
};
