/**
 * The arrows of docs/ARCHITECTURE.md. A layer owns the ports it calls; only the profiles see everything, and what begins
 * there: operators' commands and the command line.
 */
const layer = (name, from, to, comment) => ({ name, severity: "error", comment, from, to });

/** Vendor package → the only paths that may import it. */
const vendors = {
  "^fp-ts|^io-ts": "^src/domain/kernel/fp\\.ts$",
  "^uWebSockets|uws-pack": "^(src/gateway/transport/|bench/)",
  "^better-sqlite3": "^src/infra/|^src/operate/|^bench/|^test/",
  "^jose/": "^test/|^src/infra/auth/",
  "^jsonwebtoken/": "^src/infra/auth/",
  "^prom-client/": "^src/infra/(telemetry\\.ts|metrics/)|^test/infra/metrics/",
  "^pino": "^src/infra/|^src/cli/",
  "^commander/": "^src/cli/",
  "^ws/": "^test/|^bench/",
  "^@eventstore/|^@grpc/|^google-protobuf": "^src/infra/event-log/eventstoredb/|^src/eventstore-server/|^test/|^bench/",
  "^mongodb": "^src/infra/|^test/",
  "^nats/": "^src/infra/|^test/",
  "^ioredis": "^src/infra/|^test/",
  "^minio": "^src/infra/|^test/",
  "^sodium-native/|^@types/sodium-native/|^libsodium-wrappers/": "^src/infra/text-cipher/",
  "^csv-stringify/": "^src/audit/archive/csv\\.ts$",
  "^nodemailer/|^@types/nodemailer/": "^src/audit/archive/eml\\.ts$",
  "^xmlbuilder2/": "^src/audit/archive/actiance\\.ts$|^test/audit/archive/",
  "^yazl/|^@types/yazl/": "^src/operate/archive/zip\\.ts$",
  "^@hpcc-js/": "^src/operate/transfer/compression\\.ts$",
  "^p-limit": "^src/commands/|^src/projections/delivery/bounded-reads\\.ts$",
};

/** What puts the layers together, and what is reached from outside: no layer below may know it. */
const above = "eventstore-server|admin-server|audit|settings|profiles|operate|cli";

module.exports = {
  forbidden: [
    layer("no-circular", {}, { circular: true }, "a cycle has no direction to read in"),
    layer(
      "lib",
      { path: "^src/lib" },
      { path: "^(src/(?!lib)|client|test|bench)" },
      "lib → nothing: it is below all layers",
    ),
    layer(
      "domain-is-pure",
      { path: "^src/domain" },
      { pathNot: "^src/domain|^node_modules/(fp-ts|io-ts)|^crypto$" },
      "no I/O, no clock, no vendors; of node only the digests",
    ),
    layer(
      "commands",
      { path: "^src/commands" },
      { path: `^src/(projections|reactions|gateway|infra|${above})|^client` },
      "commands → domain",
    ),
    layer(
      "projections",
      { path: "^src/projections" },
      { path: `^src/(commands|reactions|gateway|infra|${above})|^client` },
      "projections → domain",
    ),
    layer(
      "delivery-without-queries",
      { path: "^src/projections/delivery" },
      { path: "^src/projections/queries" },
      "what live delivery and queries both say is in frames",
    ),
    layer(
      "queries-without-delivery",
      { path: "^src/projections/queries" },
      { path: "^src/projections/delivery" },
      "what live delivery and queries both say is in frames",
    ),
    layer(
      "reactions",
      { path: "^src/reactions" },
      { path: `^src/(projections/(?!ports)|commands/(?!commands)|gateway|infra|${above})|^client` },
      "a reaction reads an event and issues a command: → domain, projections' ports, commands' face",
    ),
    layer(
      "gateway",
      { path: "^src/gateway" },
      { path: `^src/(reactions|infra|${above})|^client/(?!contract/)` },
      "gateway → domain types, commands' and projections' public functions, the contract that the client library reads",
    ),
    layer(
      "gateway-rooms-below",
      { path: "^src/gateway/(access|connections|ephemeral|transport|protocol)/" },
      { path: "^src/gateway/(session|rest|gateway)" },
      "sessions, REST and the gateway are put together from the other rooms, which know nothing of them",
    ),
    layer(
      "gateway-ephemeral",
      { path: "^src/gateway/ephemeral/" },
      { path: "^src/gateway/(access|connections|transport|protocol)/" },
      "what is gone in a moment goes over the bus alone",
    ),
    layer(
      "infra-adapters",
      { path: "^src/infra" },
      {
        path: `^src/(reactions|${above})|^client|^src/gateway/(?!ports)|^src/projections/(?!ports|view-change|registry|views|named)|^src/commands/(?!ports|blob-store)`,
      },
      "an adapter implements a port, it does not use its caller",
    ),
    layer(
      "eventstore-server",
      { path: "^src/eventstore-server", pathNot: "^src/eventstore-server/process\\.ts$" },
      {
        path: "^src/(projections|reactions|gateway|admin-server|audit|settings|profiles|operate|cli)|^client|^src/commands/(?!ports)|^src/infra/(?!loopback)",
      },
      "an inbound server beside the gateway, which uses the log by its port",
    ),
    layer(
      "eventstore-server-process",
      { path: "^src/eventstore-server/process\\.ts$" },
      { path: "^src/(?!eventstore-server|infra/event-log/sqlite)" },
      "a process of its own: the server over the embedded log",
    ),
    layer(
      "audit",
      { path: "^src/audit" },
      {
        path: "^src/(reactions|gateway|infra|eventstore-server|admin-server|settings|profiles|operate|cli)|^client|^src/commands/(?!ports|sealing/)",
      },
      "what a log proves, computed from its events alone → domain, projections, and what seals",
    ),
    layer(
      "admin-server",
      { path: "^src/admin-server" },
      { path: "^src/(?!admin-server|domain|lib)|^client" },
      "an inbound server for operators on the same machine: what its calls do is put in by the profiles",
    ),
    layer(
      "settings",
      { path: "^src/settings" },
      {
        path: "^src/(commands|projections|reactions|gateway/(?!ports)|eventstore-server|admin-server|audit|profiles|operate|cli)|^client",
      },
      "settings → domain, the logger's port, and of infra what reads an address",
    ),
    layer(
      "profiles",
      { path: "^src/profiles" },
      { path: "^src/(operate|cli)|^client" },
      "profiles put all layers together",
    ),
    layer(
      "operate",
      { path: "^src/operate" },
      { path: "^src/(reactions|cli)|^client" },
      "operators' work → whatever it looks into, and how the profiles open it",
    ),
    layer(
      "cli",
      { path: "^src/cli" },
      { path: "^src/(commands|projections|reactions|gateway|infra|eventstore-server|admin-server|audit)|^client" },
      "cli → profiles, settings, operate",
    ),
    layer(
      "client-stands-alone",
      { path: "^client" },
      { path: "^(src|test|bench)|^node_modules" },
      "the client is for strangers: it has only the protocol",
    ),
    layer(
      "contract",
      { path: "^client/contract" },
      { pathNot: "^client/contract" },
      "tables alone: both sides read them",
    ),
    ...Object.entries(vendors).map(([vendor, owner]) =>
      layer(
        `one-owner-of-${vendor.replace(/[^a-z-]/gi, "")}`,
        { path: "^(src|client|test|bench)", pathNot: owner },
        { path: `node_modules/(${vendor.replace(/\^/g, "")})` },
        "a vendor package is imported by its adapter alone",
      ),
    ),
  ],
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^client/dist/" },
    tsConfig: { fileName: "tsconfig.json" },
  },
};
