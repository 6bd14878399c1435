// Starts the built product as a user would, sends one message through it, kills it, starts it again, finds the message.
import { spawn, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import WebSocket from "ws";

const data = mkdtempSync(join(tmpdir(), "parley-smoke-"));
const parley = "dist/src/cli/parley.js";

const start = async () => {
  const server = spawn(process.execPath, [parley, "serve", "--port", "0", "--data", data, "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface(server.stdout)) return { server, url: JSON.parse(line).url };
  throw new Error("the server ended before it listened");
};
const token = (user) =>
  execFileSync(process.execPath, [parley, "token", "--user", user, "--device", "smoke", "--data", data], {
    encoding: "utf8",
  }).trim();
const call = async (url, user, method, path, body) => {
  const headers = { authorization: `Bearer ${token(user)}`, "content-type": "application/json" };
  const answer = await fetch(`${url}/api/v1${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
};
const send = (url, conversationId) =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url.replace("http", "ws")}/ws`, {
      headers: { authorization: `Bearer ${token("alice")}` },
    });
    const timer = setTimeout(() => reject(new Error("no acknowledgement within 10 s")), 10_000);
    socket.on("error", reject);
    socket.on("message", (text) => {
      const frame = JSON.parse(text);
      const content = { type: "text", text: "Hello from CI" };
      const payload = { conversationId, clientMessageId: "smoke-1", content };
      if (frame.type === "connected") socket.send(JSON.stringify({ type: "message.send", id: "1", payload }));
      if (frame.type === "error") reject(new Error(text.toString()));
      if (frame.type !== "message.ack") return;
      clearTimeout(timer);
      socket.close();
      resolve(frame.payload);
    });
  });

/** Bob's process holds the pipe that we read: left behind by a line that fails, it would keep us for ever. */
const endJobs = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n";

/** The README's tour, word for word but for the port, the data directory and how long Bob is given to connect. */
const tour = (url) => {
  const [, script = ""] = /## A five-minute tour[^]*?```sh\n([^]*?)```/.exec(readFileSync("README.md", "utf8")) ?? [];
  if (!script.includes("& sleep 1\n")) throw new Error("the README's tour has no `& sleep 1` any more");
  const patient = script.replace("http://127.0.0.1:8080", url).replace("& sleep 1\n", "& sleep 5\n");
  const said = execFileSync("bash", ["-ec", endJobs + patient], {
    encoding: "utf8",
    env: { ...process.env, PARLEY_DATA: data },
    timeout: 120_000,
    killSignal: "SIGKILL",
  });
  for (const expected of [
    '"type":"message.ack"',
    '"duplicate":true',
    '"type":"message.new"',
    '"unread":1',
    "Hello, Bob",
  ])
    if (!said.includes(expected)) throw new Error(`the README's tour does not show ${expected}:\n${said}`);
  console.log("smoke: the README's tour shows what it says");
};

let running = await start();
try {
  tour(running.url);
  const { conversationId } = await call(running.url, "alice", "POST", "/conversations", {
    type: "direct",
    participantIds: ["carol"],
  });
  const ack = await send(running.url, conversationId);
  running.server.kill("SIGKILL");
  running = await start();
  const { messages } = await call(running.url, "carol", "GET", `/conversations/${conversationId}/messages`);
  if (messages.length !== 1 || messages[0].messageId !== ack.messageId || messages[0].content.text !== "Hello from CI")
    throw new Error(`the acknowledged message is not there after kill -9: ${JSON.stringify(messages)}`);
  const exited = new Promise((resolve) => running.server.once("exit", resolve));
  running.server.kill("SIGTERM");
  const code = await exited;
  if (code !== 0) throw new Error(`SIGTERM ended the server with exit code ${code}`);
  console.log("smoke: one message sent, acknowledged, found after kill -9; SIGTERM ends cleanly");
} finally {
  running.server.kill("SIGKILL");
  rmSync(data, { recursive: true, force: true });
}
