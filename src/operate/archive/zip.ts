import { PassThrough, Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { ZipFile } from "yazl";

/** A file of a ZIP. `chunks`: its bytes, asked for when its turn has come. `at`: the time that it bears, epoch milliseconds. */
export type ZipEntry = {
  readonly name: string;
  readonly at: number;
  readonly chunks: AsyncIterable<string | Buffer> | Iterable<string | Buffer>;
};

/** A ZIP's times begin with 1980. */
const earliest = Date.UTC(1980, 0, 2);
const latest = Date.UTC(2107, 0, 1);

/** The bytes of a ZIP. In memory is a part of one entry, and of all others their names. */
export const zipped = (entries: AsyncIterable<ZipEntry>): AsyncIterable<Buffer> => {
  const zip = new ZipFile();
  const output = new PassThrough();
  zip.outputStream.pipe(output);
  let entry: Readable | undefined;
  output.once("close", () => entry?.destroy());
  zip.once("error", (error: Error) => output.destroy(error));
  const add = async (): Promise<void> => {
    for await (const { name, at, chunks } of entries) {
      if (output.destroyed) return;
      entry = Readable.from(chunks, { objectMode: false });
      const mtime = new Date(Math.min(latest, Math.max(earliest, at)));
      zip.addReadStream(entry, name, { mtime, mode: 0o100600 });
      await finished(entry);
    }
    zip.end();
  };
  add().catch((error: unknown) => output.destroy(error instanceof Error ? error : new Error(String(error))));
  return output;
};
