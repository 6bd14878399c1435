import { gunzip, gzip } from "node:zlib";
import { promisify } from "node:util";

export type Compression = "gzip" | "zstd" | "none";
export const compressions: readonly Compression[] = ["gzip", "zstd", "none"];

/** Of a chunk: its own end is in it, so that chunks one after another are one file of that format. */
export type Compressor = {
  readonly compress: (bytes: Buffer) => Promise<Buffer>;
  /** @throws (rejects) Error for what is not compressed so, or is larger than any chunk */
  readonly expand: (bytes: Buffer) => Promise<Buffer>;
};

/** A chunk is closed above 4 MiB, and an event has at most 64 KiB, which its form may make several times longer. */
const expandedBytesMax = 32 * 1024 * 1024;

/** zstd comes as WASM, which is loaded only where it is asked for. */
export const compressorOf = async (compression: Compression): Promise<Compressor> => {
  switch (compression) {
    case "none":
      return { compress: (bytes) => Promise.resolve(bytes), expand: (bytes) => Promise.resolve(bytes) };
    case "gzip":
      return {
        compress: (bytes) => promisify(gzip)(bytes),
        expand: (bytes) => promisify(gunzip)(bytes, { maxOutputLength: expandedBytesMax }),
      };
    case "zstd": {
      const { Zstd } = await import("@hpcc-js/wasm-zstd");
      const zstd = await Zstd.load();
      return {
        compress: (bytes) => Promise.resolve(Buffer.from(zstd.compress(bytes))),
        expand: async (bytes) => Promise.resolve(Buffer.from(zstd.decompress(bytes))),
      };
    }
  }
};
