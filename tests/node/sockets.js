// Both ends of WebSockets over HTTP/2 (RFC 8441) and HTTP/1.1, down to the bytes: what is sent comes back.
//   serve h1 | h2c | deaf            a server; a deaf one speaks HTTP/2 and knows no extended CONNECT
//   serve h2 KEY CERT [also-h1]      the same over TLS
//   call PORT COOKIE MIB [ORIGIN]    a client over HTTP/2, which says what it got
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHttp1 } from "node:http";
import { connect, createSecureServer, createServer as createHttp2 } from "node:http2";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const seen = (text) => console.log(`seen ${JSON.stringify(text)}`);

function upgrade(request, socket) {
  const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + GUID).digest("base64");
  const fields = ["Connection: Upgrade", "Upgrade: websocket", `Sec-WebSocket-Accept: ${accept}`, "Sec-WebSocket-Protocol: chat"];
  socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields.join("\r\n")}\r\n\r\n`);
  seen({ over: "h1", headers: request.headers });
  socket.on("error", () => {});
  socket.pipe(socket);
}

function stream(stream, headers) {
  if (headers[":method"] !== "CONNECT" || headers[":protocol"] !== "websocket") {
    stream.respond({ ":status": 426 }, { endStream: true });
    return;
  }
  seen({ over: "h2", headers });
  stream.respond({ ":status": 200, "sec-websocket-protocol": "chat" });
  stream.on("error", () => {});
  stream.on("close", () => console.log("closed"));
  stream.pipe(stream);
}

function serve(kind, key, cert, more) {
  const settings = { enableConnectProtocol: kind !== "deaf" && more !== "also-h1" };
  let server;
  if (kind === "h1") server = createHttp1();
  else if (kind === "h2") {
    const tls = { key: readFileSync(key), cert: readFileSync(cert) };
    server = createSecureServer({ ...tls, settings, allowHTTP1: more === "also-h1" });
  } else server = createHttp2({ settings });
  server.on("upgrade", upgrade);
  server.on("stream", stream);
  server.listen(0, "127.0.0.1", () => console.log(`listening ${server.address().port}`));
}

async function call(port, cookie, mib, origin) {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  await once(session, "remoteSettings");
  const offered = session.remoteSettings.enableConnectProtocol;
  const fields = { ":method": "CONNECT", ":protocol": "websocket", ":scheme": "http", ":path": "/ws", ":authority": "gw.test" };
  Object.assign(fields, { "sec-websocket-version": "13", "sec-websocket-protocol": "chat", cookie });
  if (origin) fields.origin = origin;
  const stream = session.request(fields);
  const [headers] = await once(stream, "response");
  const got = createHash("sha256");
  const sent = createHash("sha256");
  let bytes = 0;
  stream.on("data", (chunk) => {
    got.update(chunk);
    bytes += chunk.length;
    if (bytes === mib << 20) stream.end();
  });
  const ended = once(stream, "end");
  if (headers[":status"] === 200) {
    const piece = randomBytes(1 << 16);
    for (let at = 0; at < mib << 4; at += 1) {
      piece.writeUInt32BE(at);
      const copy = Buffer.from(piece);
      sent.update(copy);
      if (!stream.write(copy)) await once(stream, "drain");
    }
  } else stream.end();
  await ended;
  const equal = sent.digest("hex") === got.digest("hex");
  console.log(JSON.stringify({ offered, status: headers[":status"], headers, bytes, equal }));
  session.destroy();
}

const [what, ...rest] = process.argv.slice(2);
if (what === "serve") serve(...rest);
else await call(rest[0], rest[1], Number(rest[2]), rest[3]);
