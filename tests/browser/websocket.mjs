// A WebSocket from a page in a real browser: prints by which status it was opened (101 in HTTP/1.1, 200 in HTTP/2) and what it
// brought back.
//   node websocket.mjs https://localhost:PORT/ NAME=VALUE-of-a-cookie

import { open } from "./chromium.mjs";

const [page, cookie] = process.argv.slice(2);
const tab = await open({ strangers: true });
const statuses = [];

try {
  tab.connection.listeners.push(({ method, params }) => {
    if (method === "Network.webSocketHandshakeResponseReceived") statuses.push(params.response.status);
  });
  await tab.send("Network.enable");
  const [name, value] = cookie.split("=");
  await tab.send("Network.setCookie", { name, value, url: page, secure: true });
  await tab.go(page);
  const got = await tab.value(`new Promise((resolve, reject) => {
    const socket = new WebSocket(location.origin.replace("http", "ws") + "/ws");
    socket.onopen = () => socket.send("from a page");
    socket.onmessage = ({ data }) => { socket.close(); resolve(data); };
    socket.onerror = () => reject(new Error("the socket was not opened"));
  })`);
  console.log(`${statuses.join()} ${got}`);
} finally {
  await tab.close();
}
