import { ackOf, newOf, serveRooms } from "./rooms.js";

/** A chat without promises: what a relay of a few lines does. Each frame to a peer is a write of its own. */
serveRooms((sender, others, sent) => {
  const text = newOf(sent);
  for (const other of others) other.send(text);
  sender.send(ackOf(sent));
});
