import { Client, credentials } from "@grpc/grpc-js";
import { shared, streams, StreamsService } from "../../src/eventstore-server/proto.js";

export type RawReader = {
  /** Reads `$all` from its start to its end. Rejects when the call ends with a status other than OK. */
  readonly readAll: () => Promise<{ readonly events: number; readonly bytes: number }>;
  readonly close: () => void;
};

const { ReadReq } = streams;
const { Options } = ReadReq;

const request = new ReadReq().setOptions(
  new Options()
    .setAll(new Options.AllOptions().setStart(new shared.Empty()))
    .setReadDirection(Options.ReadDirection.FORWARDS)
    .setCount(String(Number.MAX_SAFE_INTEGER))
    .setNoFilter(new shared.Empty())
    .setUuidOption(new Options.UUIDOption().setString(new shared.Empty())),
);

/**
 * Takes the answers as bytes and decodes none of them: the official client decodes some 15,000 events a second, which
 * would hide what the server can do.
 */
export const openRawReader = (url: string): RawReader => {
  const client = new Client(new URL(url).host, credentials.createInsecure());
  const { path, requestSerialize } = StreamsService.read;
  return {
    readAll: () =>
      new Promise((resolve, reject) => {
        let events = 0;
        let bytes = 0;
        const call = client.makeServerStreamRequest(path, requestSerialize, (response: Buffer) => response, request);
        call.on("data", (response: Buffer) => {
          events++;
          bytes += response.length;
        });
        call.on("end", () => {
          resolve({ events, bytes });
        });
        call.on("error", reject);
      }),
    close: () => {
      client.close();
    },
  };
};
