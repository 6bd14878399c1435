/** The arrows of docs/ARCHITECTURE.md. A layer owns the ports it calls; only the profiles see everything. */
const layer = (name, from, to, comment) => ({ name, severity: "error", comment, from, to });

/** Vendor package → the only paths that may import it. */
const vendors = {
  "^fp-ts|^io-ts": "^src/domain/kernel/fp\\.ts$",
  "^uWebSockets|uws-pack": "^(src/gateway/transport-uws|bench/)",
  "^better-sqlite3": "^src/infra/|^bench/|^test/",
  "^jose/": "^test/|^src/infra/auth/",
  "^jsonwebtoken/": "^src/infra/auth/",
  "^prom-client/": "^src/infra/telemetry",
  "^pino": "^src/infra/|^src/cli/",
  "^commander/": "^src/cli/",
  "^ws/": "^test/|^bench/",
  "^@eventstore/|^@grpc/|^google-protobuf": "^src/infra/event-log/|^test/|^bench/",
  "^mongodb": "^src/infra/(?!profiles)|^test/",
  "^nats/": "^src/infra/(?!profiles)|^test/",
  "^ioredis": "^src/infra/(?!profiles)|^test/",
  "^minio": "^src/infra/(?!profiles)|^test/",
  "^p-limit": "^src/commands/|^src/projections/delivery/bounded-reads\\.ts$",
};

module.exports = {
  forbidden: [
    layer("no-circular", {}, { circular: true }, "a cycle has no direction to read in"),
    layer(
      "domain-is-pure",
      { path: "^src/domain" },
      { pathNot: "^src/domain|^node_modules/(fp-ts|io-ts)|^crypto$" },
      "no I/O, no clock, no vendors; of node only the digests",
    ),
    layer(
      "commands",
      { path: "^src/commands" },
      { path: "^src/(projections|gateway|infra|cli)|^client" },
      "commands → domain",
    ),
    layer(
      "projections",
      { path: "^src/projections" },
      { path: "^src/(commands|gateway|infra|cli)|^client" },
      "projections → domain",
    ),
    layer(
      "gateway",
      { path: "^src/gateway" },
      { path: "^src/(infra|cli)|^client" },
      "gateway → domain types, commands' and projections' public functions",
    ),
    layer(
      "infra-adapters",
      { path: "^src/infra", pathNot: "^src/infra/profiles" },
      {
        path: "^src/cli|^client|^src/gateway/(?!ports)|^src/projections/(?!ports|view-change|runner|registry|queries|views)|^src/commands/(?!ports|blob-store)",
      },
      "an adapter implements a port, it does not use its caller",
    ),
    layer("cli", { path: "^src/cli" }, { path: "^src/(commands|projections|gateway)|^client" }, "cli → profiles"),
    layer(
      "client-stands-alone",
      { path: "^client" },
      { path: "^(src|test|bench)" },
      "the client is for strangers: it has only the protocol",
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
    tsConfig: { fileName: "tsconfig.json" },
  },
};
