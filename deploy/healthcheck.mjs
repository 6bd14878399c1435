// Whether this container's Parley lives. An image without curl needs no more than Node.
const url = `http://127.0.0.1:${process.env.PARLEY_PORT ?? "8080"}/healthz`;
try {
  const { ok } = await fetch(url, { signal: AbortSignal.timeout(4_000) });
  process.exit(ok ? 0 : 1);
} catch {
  process.exit(1);
}
