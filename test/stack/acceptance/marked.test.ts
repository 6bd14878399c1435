/** Nothing that people fill in is in the bytes of MongoDB's documents, nor in what the servers keep in files. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openMongo } from "../../../src/infra/engines/mongodb/connection.js";
import { collectionOf } from "../../../src/infra/view-store/mongodb/documents.js";
import { clusterEngines, startCluster, type Cluster } from "../../kit/cluster.js";
import {
  createMarkers,
  markedFields,
  markedFiles,
  markedIn,
  writeMarkers,
  type MarkedField,
} from "../../kit/markers.js";
import { eventually } from "../../kit/device.js";
import { mayStartServers, startOwnServers, type OwnServers } from "../../kit/own-servers.js";

const markers = { on: createMarkers(), off: createMarkers() };

/** The collections in which a marker is, and of which fields. */
const markedCollections = async ({ source }: Cluster, of: "on" | "off") => {
  const mongo = await openMongo(source.mongo);
  try {
    const found = new Map<string, readonly MarkedField[]>();
    const names: string[] = [];
    for (const { name } of await mongo.db.listCollections().toArray()) {
      // As they came over the wire: nothing is left out that a decoder does not know.
      const documents = (await mongo.db.collection(name).find({}, { raw: true }).toArray()) as unknown as Buffer[];
      if (documents.length > 0) names.push(name);
      const fields = markedIn(Buffer.concat(documents), markers[of]);
      if (fields.length > 0) found.set(name, fields);
    }
    return { found, names };
  } finally {
    await mongo.close();
  }
};

describe.skipIf(!clusterEngines() || !mayStartServers)("a distributed run", () => {
  let log: OwnServers;
  beforeAll(async () => {
    log = await startOwnServers("eventstore");
  });
  afterAll(() => log.stop());

  const run = async (seal: "on" | "off"): Promise<Cluster> => {
    const environment = { PARLEY_EVENTSTORE_URL: log.env.PARLEY_EVENTSTORE_URL ?? "", PARLEY_SEAL: seal };
    const cluster = await startCluster({ gateways: 1, projectors: 1, environment });
    const people = ["alice", "bob", "carol"].map(cluster.user) as unknown as readonly [string, string, string];
    const { alice, conversationId } = await writeMarkers(cluster.door(0), markers[seal], people);
    // The views have everything: the last change is read from them.
    const { body } = await alice.rest("GET /me");
    expect(body.displayName).toBe(markers[seal].of("changed display name"));
    expect((await alice.rest(`GET /conversations/${conversationId}`)).status).toBe(200);
    await eventually(
      async () => (await markedCollections(cluster, seal)).names.includes("snapshots"),
      "a snapshot is saved",
    );
    return cluster;
  };

  it("leaves no marker in a document, nor in a file of its servers", async () => {
    const cluster = await run("on");
    try {
      const { found, names } = await markedCollections(cluster, "on");
      expect([...found]).toEqual([]);
      expect(names).toEqual(
        expect.arrayContaining([
          "keys",
          "snapshots",
          "snapshot_chunks",
          collectionOf("messages"),
          collectionOf("conversations"),
        ]),
      );
      for (const dir of [log.env.PARLEY_SERVERS_DIR, process.env.PARLEY_SERVERS_DIR])
        expect(markedFiles(dir ?? "", markers.on)).toEqual([]);
    } finally {
      await cluster.dispose();
    }
  });

  it("with sealing off the same search finds every field", async () => {
    const cluster = await run("off");
    try {
      const { found } = await markedCollections(cluster, "off");
      expect([...found.keys()]).toEqual(expect.arrayContaining(["views.messages", "snapshot_chunks"]));
      const inLog = markedFiles(log.env.PARLEY_SERVERS_DIR ?? "", markers.off).flatMap(({ fields }) => fields);
      expect([...new Set(inLog)].toSorted()).toEqual([...markedFields].toSorted());
    } finally {
      await cluster.dispose();
    }
  });
});
