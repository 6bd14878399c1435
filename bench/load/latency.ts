/** Milliseconds at three percentiles and the worst; the key of a figure carries its unit. */
export type Percentiles = {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
};

export type Latency = {
  /** Elapsed milliseconds; negative ones (a clock step) count as 0. */
  readonly record: (elapsedMs: number) => void;
  readonly count: () => number;
  /** Zeros when nothing was recorded. */
  readonly percentiles: () => Percentiles;
};

/** 64 buckets per power of two: a percentile is at most 1.6 % too high. */
const subBucketBits = 6;
const subBuckets = 1 << subBucketBits;
/** Microseconds up to 2^31, about 36 minutes: longer than any run waits. */
const bucketCount = subBuckets * 32;

const bucketOf = (micros: number): number => {
  if (micros < subBuckets) return micros;
  const shift = 31 - Math.clz32(micros) - subBucketBits;
  return (shift + 1) * subBuckets + ((micros >>> shift) - subBuckets);
};

/** The highest value that falls into the bucket, so that a percentile never flatters. */
const upperBound = (bucket: number): number => {
  if (bucket < subBuckets) return bucket;
  const shift = Math.floor(bucket / subBuckets) - 1;
  return (((bucket % subBuckets) + subBuckets + 1) * 2 ** shift - 1) | 0;
};

/** A log-linear histogram: constant memory and about 10 ns a sample, because the load generator's own core is scarce. */
export const createLatency = (): Latency => {
  const buckets = new Uint32Array(bucketCount);
  let count = 0;
  let maxMicros = 0;

  const atMs = (share: number): number => {
    const rank = Math.max(1, Math.ceil(count * share));
    let seen = 0;
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      seen += buckets[bucket] ?? 0;
      if (seen >= rank) return Math.min(upperBound(bucket), maxMicros) / 1000;
    }
    return 0;
  };

  return {
    record: (elapsedMs) => {
      const micros = Math.min(2 ** 31 - 1, Math.max(0, Math.round(elapsedMs * 1000)));
      const bucket = bucketOf(micros);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
      count++;
      if (micros > maxMicros) maxMicros = micros;
    },
    count: () => count,
    percentiles: () => ({ p50Ms: atMs(0.5), p95Ms: atMs(0.95), p99Ms: atMs(0.99), maxMs: maxMicros / 1000 }),
  };
};
