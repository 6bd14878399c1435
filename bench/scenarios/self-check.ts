import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { WebSocketServer } from "ws";
import { startEcho } from "../floors/echo.js";
import { messageFrame } from "../load/chat.js";
import { frameTemplate } from "../load/frames.js";
import { openSocket } from "../load/socket.js";
import { figure, timesOf } from "../load/measure.js";
import { row, type BenchContext, type Row, type Scenario } from "../scenario.js";

/**
 * Is the load generator right, and is it fast enough? Right: `ws`, a library that follows RFC 6455 to the letter,
 * understands its frames and is understood, in chunks of any size. Fast enough: the echo floor with a window where
 * neither side ever waits; what comes out is the most that any scenario could show here.
 */
export const selfCheck: Scenario = {
  name: "self-check",
  summary: "the load generator itself: correctness against ws, its ceiling against the raw echo",
  ofThisBuildOnly: true,
  run: async (context) => {
    const frames = await exchangeWithWs();
    context.say(`self-check: ${frames} frames exchanged with ws`);
    return [...(await ceiling(context))];
  },
};

/** Lengths on both sides of every border of the frame's header and of the reader's first buffer. */
const lengths = [1, 125, 126, 127, 4095, 4096, 65_535, 65_536, 70_000, 300_000];
const repeats = 40;
const pongMsMax = 2_000;

/** Splits what the server writes at places that no server would choose, so that frames arrive in any pieces. */
const fragment = (socket: Socket): void => {
  const write: (chunk: Buffer) => boolean = socket.write.bind(socket);
  let seed = 7;
  socket.write = (chunk: string | Uint8Array): boolean => {
    const bytes = typeof chunk === "string" ? Buffer.from(chunk, "latin1") : Buffer.from(chunk);
    for (let at = 0; at < bytes.length;) {
      seed = (seed * 48_271) % 0x7fffffff;
      const end = at + 1 + (seed % (at % 3 === 0 ? 5 : 9_000));
      write(bytes.subarray(at, end));
      at = end;
    }
    return true;
  };
};

/** The server answers `n` with a text of n characters and, before it, a ping; the client checks each. Returns their number. */
const exchangeWithWs = async (): Promise<number> => {
  const http = createServer();
  const server = new WebSocketServer({ server: http });
  const wanted = Array.from({ length: repeats }, () => lengths).flat();
  let pongs = 0;
  let allPongs: () => void = () => undefined;
  const ponged = new Promise<void>((resolve) => {
    allPongs = resolve;
  });
  server.on("connection", (socket, request) => {
    fragment(request.socket);
    socket.on("pong", () => {
      if (++pongs === wanted.length) allPongs();
    });
    socket.on("message", (data: Buffer) => {
      const { n } = JSON.parse(data.toString("utf8")) as { n: number };
      socket.ping("still there?");
      socket.send("x".repeat(n));
    });
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  try {
    await expectTexts(new URL(`http://127.0.0.1:${(http.address() as AddressInfo).port}/`), wanted);
    const late = setTimeout(pongMsMax, "late" as const, { ref: false });
    if ((await Promise.race([ponged, late])) === "late") throw new Error(`${wanted.length} pings, but ${pongs} pongs`);
    return wanted.length;
  } finally {
    for (const client of server.clients) client.terminate();
    server.close();
    http.close();
  }
};

const expectTexts = (url: URL, wanted: readonly number[]): Promise<void> =>
  new Promise((resolve, reject) => {
    let next = 0;
    const opening = openSocket({
      url,
      onFailure: reject,
      onText: (buffer, start, end) => {
        const text = buffer.toString("latin1", start, end);
        if (text !== "x".repeat(wanted[next] ?? -1)) throw new Error(`frame ${next} came as ${text.length} bytes`);
        if (++next === wanted.length) resolve();
      },
    });
    opening.then((socket) => {
      for (const n of wanted) socket.send(JSON.stringify({ n }));
    }, reject);
  });

const windows = [1, 8, 64] as const;

const ceiling = async (context: BenchContext): Promise<readonly Row[]> => {
  const echo = await startEcho(context);
  try {
    const rows: Row[] = [];
    const frame = messageFrame("d_0123456789abcdefghijkl");
    const bytes = frameTemplate(frame).bytes;
    for (const window of windows) {
      const figures = await echo.measure({ sockets: 100, senders: 100, pace: { window }, frame, ...timesOf(context) });
      context.say(`self-check: window ${window}: ${Math.round(figure(figures, "messagesPerSecond"))} echoes/s`);
      const variant = `100 sockets, window ${window}, frames of ${bytes} bytes`;
      rows.push(row({ variant, figures, floors: {} }));
    }
    return rows;
  } finally {
    await echo.stop();
  }
};
