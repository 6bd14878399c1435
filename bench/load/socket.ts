import { createHash, randomBytes } from "node:crypto";
import { connect } from "node:net";
import { clientFrame, opcode, type FrameTemplate } from "./frames.js";
import { createFrameReader } from "./frame-reader.js";

export type SocketOptions = {
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** A text frame; the buffer is only valid during the call. */
  readonly onText: (buffer: Buffer, start: number, end: number) => void;
  /** Called once when the connection ends without having been asked to. */
  readonly onFailure: (error: Error) => void;
};

export type LoadSocket = {
  /** Queues one stamped frame; all that are queued in a turn of the event loop leave in one write. */
  readonly post: (template: FrameTemplate, number: number) => void;
  readonly send: (text: string) => void;
  readonly close: () => void;
};

const handshakeGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const handshakeMsMax = 10_000;
const handshakeBytesMax = 16 * 1024;

/** All sockets read into one buffer: its bytes are consumed before the next read. */
const readBuffer = Buffer.allocUnsafeSlow(256 * 1024);

const requestOf = (url: URL, key: string, headers: Readonly<Record<string, string>>): string =>
  [
    `GET ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${url.host}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${key}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    "",
    "",
  ].join("\r\n");

const acceptOf = (key: string): string => createHash("sha1").update(`${key}${handshakeGuid}`).digest("base64");

/** Bytes up to and including the answer's empty line, 0 while it is not there; throws when the upgrade was refused. */
const handshakeEnd = (head: Buffer, accept: string): number => {
  const end = head.indexOf("\r\n\r\n");
  if (end < 0) {
    if (head.length > handshakeBytesMax) throw new Error("the answer to the upgrade has no end");
    return 0;
  }
  const text = head.toString("latin1", 0, end);
  if (!text.startsWith("HTTP/1.1 101 ")) throw new Error(`upgrade refused: ${head.toString("utf8").slice(0, 400)}`);
  if (!text.includes(accept)) throw new Error("the answer to the upgrade has a wrong Sec-WebSocket-Accept");
  return end + 4;
};

/** The queue of one socket: numbers by template, written by the flush of this turn. */
type Outgoing = { readonly template: FrameTemplate; readonly number: number };

/**
 * A WebSocket client of a few hundred lines less than a library: no events, no objects per frame, one read buffer.
 * Resolves when the server has accepted the upgrade. Only `http:` and `ws:` URLs.
 */
export const openSocket = ({ url, headers = {}, onText, onFailure }: SocketOptions): Promise<LoadSocket> =>
  new Promise((resolve, reject) => {
    const key = randomBytes(16).toString("base64");
    const accept = acceptOf(key);
    let head: Buffer | undefined = Buffer.alloc(0);
    let ended = false;

    const fail = (error: Error): void => {
      if (ended) return;
      ended = true;
      clearTimeout(patience);
      socket.destroy();
      if (head === undefined) onFailure(error);
      else reject(error);
    };

    const reader = createFrameReader((op, buffer, start, end) => {
      if (op === opcode.text) onText(buffer, start, end);
      else if (op === opcode.ping) socket.write(clientFrame(opcode.pong, buffer.subarray(start, end)));
      else if (op === opcode.close) fail(closeError(buffer, start, end));
    });

    const upgrade = (bytes: Buffer): void => {
      head = Buffer.concat([head ?? bytes, bytes]);
      const end = handshakeEnd(head, accept);
      if (end === 0) return;
      const rest = head.subarray(end);
      head = undefined;
      clearTimeout(patience);
      resolve({
        ...createOutbox((bytes) => socket.write(bytes)),
        send: (text) => socket.write(clientFrame(opcode.text, Buffer.from(text, "utf8"))),
        close: () => {
          ended = true;
          socket.destroy();
        },
      });
      reader.push(rest, rest.length);
    };

    const received = (length: number, bytes: Uint8Array): boolean => {
      const buffer = bytes as Buffer;
      try {
        if (head === undefined) reader.push(buffer, length);
        else upgrade(buffer.subarray(0, length));
      } catch (error) {
        fail(error instanceof Error ? error : new Error(String(error)));
      }
      return !ended;
    };

    const socket = connect({
      host: url.hostname,
      port: Number(url.port),
      noDelay: true,
      onread: { buffer: readBuffer, callback: received },
    });
    const patience = setTimeout(() => {
      fail(new Error(`no answer to the upgrade in ${handshakeMsMax} ms`));
    }, handshakeMsMax);
    socket.on("connect", () => socket.write(requestOf(url, key, headers)));
    socket.on("error", fail);
    socket.on("close", () => {
      fail(new Error("the server closed the connection"));
    });
  });

const closeError = (buffer: Buffer, start: number, end: number): Error =>
  new Error(
    end - start < 2
      ? "the server closed without a code"
      : `the server closed with ${buffer.readUInt16BE(start)} ${buffer.toString("utf8", start + 2, end)}`,
  );

const dirty: (() => void)[] = [];
const flushAll = (): void => {
  for (const flush of dirty.splice(0)) flush();
};

/** Frames of one turn of the event loop leave together: a system call costs more than several frames. */
const createOutbox = (write: (bytes: Buffer) => void): Pick<LoadSocket, "post"> => {
  const waiting: Outgoing[] = [];
  const flush = (): void => {
    let bytes = 0;
    for (const { template } of waiting) bytes += template.bytes;
    const chunk = Buffer.allocUnsafe(bytes);
    let at = 0;
    for (const { template, number } of waiting) {
      template.stamp(chunk, at, number);
      at += template.bytes;
    }
    waiting.length = 0;
    write(chunk);
  };
  return {
    post: (template, number) => {
      if (waiting.length === 0 && dirty.push(flush) === 1) setImmediate(flushAll);
      waiting.push({ template, number });
    },
  };
};
