// The smallest WebSocket client: prints every frame it gets; with a FRAME, sends it when connected and ends at its answer.
//   node docs/examples/socket.mjs URL TOKEN [FRAME]
import { WebSocket } from "ws";

const [url, token, frame] = process.argv.slice(2);
const socket = new WebSocket(`${url.replace(/^http/, "ws")}/ws`, { headers: { authorization: `Bearer ${token}` } });
const sent = frame === undefined ? undefined : JSON.parse(frame);

socket.on("message", (text) => {
  console.log(text.toString());
  const { type, id } = JSON.parse(text);
  if (type === "connected" && sent !== undefined) socket.send(JSON.stringify(sent));
  if (sent !== undefined && id === sent.id) socket.close();
});
socket.on("close", (code, reason) => console.log(`closed ${code} ${reason}`));
socket.on("error", (error) => console.error(error.message));
