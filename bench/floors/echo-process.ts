import { App, us_socket_local_port } from "uWebSockets.js";

/**
 * The floor of every scenario with sockets, a process of its own: uWebSockets.js sends each text frame back once, and
 * nothing else. Prints `{"event":"listening","url":…}` and ends on SIGTERM.
 */
const app = App().ws("/*", {
  maxPayloadLength: 64 * 1024,
  idleTimeout: 0,
  message: (socket, message, isBinary) => {
    // 2 = dropped: an echo that loses frames is no floor.
    if (socket.send(message, isBinary) === 2) socket.close();
  },
});

app.listen("127.0.0.1", 0, (listening) => {
  if (listening === false) throw new Error("the echo server cannot listen");
  const url = `http://127.0.0.1:${us_socket_local_port(listening)}`;
  process.stdout.write(`${JSON.stringify({ event: "listening", url })}\n`);
});

process.on("SIGTERM", () => process.exit(0));
