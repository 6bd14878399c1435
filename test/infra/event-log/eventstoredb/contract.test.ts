/**
 * The adapter and the contract against a store that leaves repetitions open while their original is under way, as a real
 * EventStoreDB does and Parley's own port does not.
 */
import { openEventStoreDb } from "../../../../src/infra/event-log/eventstoredb/event-log.js";
import { eventLogContract } from "../../../contract/event-log.contract.js";
import { silentToRepetitions } from "../../../kit/event-store.js";
import { openLogKit } from "../../../kit/log.js";
import { startEventStoreServer } from "../../../../src/eventstore-server/server.js";

eventLogContract(
  "EventStoreDB that is silent to repetitions",
  async () => {
    const kit = await openLogKit();
    const server = await startEventStoreServer({
      log: silentToRepetitions(kit.log),
      host: "127.0.0.1",
      port: 0,
      writable: true,
      onProblem: () => undefined,
    });
    const open = () => openEventStoreDb({ url: server.url });
    let log = open();
    const reopen = async () => {
      await log.close();
      return (log = open());
    };
    const close = async () => {
      await log.close();
      await server.close();
      await kit.dispose();
    };
    return { log, reopen, close };
  },
  { place: "remote" },
);
