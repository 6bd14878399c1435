import { fileURLToPath } from "node:url";
import { classify, createNumberFinder } from "../load/classify.js";
import { openAll } from "../load/open-all.js";
import { frameTemplate } from "../load/frames.js";
import type { BenchContext, Figures } from "../scenario.js";
import { startChild } from "../server/child.js";
import type { Process } from "../server/cpu.js";
import { measureLoop, type Times } from "../load/measure.js";
import { createLoop, type Pace } from "../load/pace.js";

export type EchoOptions = Times & {
  /** Connections in all; the first `senders` of them send, the others are only there. */
  readonly sockets: number;
  readonly senders: number;
  readonly pace: Pace;
  /** The frame that the scenario sends, with `numberSlot`s. */
  readonly frame: string;
};

export type EchoServer = {
  readonly pid: number;
  /** Of its WebSocket. */
  readonly url: URL;
  readonly measure: (options: EchoOptions) => Promise<Figures>;
  readonly stop: () => Promise<void>;
};

const script = fileURLToPath(new URL("./echo-process.js", import.meta.url));

/**
 * The least that a message over sockets costs on this machine: the same load generator, window and frame against a
 * uWebSockets.js server that only sends each frame back. On the server's core, as the server is.
 */
export const startEcho = async (context: BenchContext): Promise<EchoServer> => {
  const child = startChild({ name: "the echo floor", command: [script], core: context.cores.server });
  const { url } = (await child.nextJson(10_000)) as { url: string };
  const socketUrl = new URL("/ws", url);
  return {
    pid: child.pid,
    url: socketUrl,
    measure: (options) => measureEcho(socketUrl, child, options),
    stop: child.stop,
  };
};

const measureEcho = async (url: URL, process: Process, options: EchoOptions): Promise<Figures> => {
  const numberIn = createNumberFinder('"clientMessageId":"');
  const template = frameTemplate(options.frame);
  const group = await openAll(options.sockets, (index) => ({
    url,
    onText: (buffer, start, end) => {
      if (classify(buffer, start, end) !== "message.send") throw new Error("the echo floor sent something else");
      loop.answered(index, numberIn(buffer, start, end), performance.now());
    },
  }));
  const loop = createLoop(options.pace, {
    senders: options.senders,
    receivers: 0,
    send: (sender, number) => {
      group.at(sender).post(template, number);
    },
  });
  try {
    return withDelivery(await measureLoop(loop, group, { processes: [process] }, options));
  } finally {
    loop.stop();
    group.close();
  }
};

/** An echo is answer and delivery in one: its round trip and its cost are the floor of both. */
const withDelivery = (figures: Figures): Figures => ({
  ...figures,
  ...Object.fromEntries(
    Object.entries(figures).flatMap(([name, value]) => deliveryNames(name).map((as) => [as, value])),
  ),
});

const deliveryNames = (name: string): readonly string[] => {
  if (name.startsWith("ack")) return [name.replace("ack", "delivery")];
  if (name === "messagesPerSecond") return ["deliveriesPerSecond"];
  return name === "cpuMicrosecondsPerMessage" ? ["cpuMicrosecondsPerDelivery"] : [];
};
