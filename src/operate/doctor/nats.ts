import { natsBusLimits } from "../../infra/bus/nats/limits.js";
import { openNats, type Nats } from "../../infra/engines/nats.js";
import type { DistributedConfig } from "../../settings/distributed.js";
import { reasonOf } from "../../lib/errors.js";
import { counted, type Check } from "./check.js";
import { probe, type Finding } from "./probe.js";
import type { Closers } from "../../profiles/engines.js";

type Connection = Awaited<Nats["connection"]>;

const name = "nats";
const mends = {
  away: "Start nats-server, and check PARLEY_NATS_URL: hosts, user and password or token (percent-encoded), tls:// for TLS",
  refused:
    "NATS is there and refuses us: check the user and password, or the token, in PARLEY_NATS_URL (percent-encoded), and that parley.> and _INBOX.> are allowed",
  tls: "Name the authority of its certificate by NODE_EXTRA_CA_CERTS=FILE, and in PARLEY_NATS_URL the host as the certificate has it; nats:// where it speaks no TLS",
};

/** Whether it lets us in and answers, its largest message, and JetStream. */
export const lookAtNats = ({ natsUrl: url }: DistributedConfig, closers: Closers): Promise<Finding<undefined>> =>
  probe(name, mends, async () => {
    const connection = await connect(url, closers);
    return { checks: [checkServer(connection), await checkJetStream(connection)] };
  });

/** The process's own way tries for ever; here the first failure is the answer. */
const connect = (url: string, closers: Closers): Promise<Connection> =>
  new Promise((resolve, reject) => {
    const nats = openNats({ url, name: "parley doctor", onProblem: reject });
    closers.push(nats.close);
    nats.connection.then(async (connection) => {
      await nats.ping();
      resolve(connection);
    }, reject);
  });

const checkServer = ({ info }: Connection): Check => {
  const payload = info?.max_payload ?? 0;
  const says = `version ${info?.version ?? "unknown"}, messages up to ${payload} bytes`;
  if (payload >= natsBusLimits.requestBytesMax) return { name, state: "ok", says };
  const larger = `Set max_payload to ${natsBusLimits.requestBytesMax} or more: larger frames cannot go through, and their devices sync`;
  return { name, state: "warning", says, mend: larger };
};

/** Asked as an account: the server may have it, and this account not. Nothing uses it yet, so nothing is wrong without it. */
const checkJetStream = async (connection: Connection): Promise<Check> => {
  try {
    const manager = await connection.jetstreamManager({ timeout: answerMs });
    const { streams } = await manager.getAccountInfo();
    return { name: "jetstream", state: "ok", says: `it is on, ${counted(streams, "stream")}; nothing uses it yet` };
  } catch (error) {
    return { name: "jetstream", state: "ok", says: `it cannot be used (${reasonOf(error)}), and nothing uses it yet` };
  }
};

const answerMs = 2_000;
