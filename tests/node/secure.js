// A service over TLS that says how it was spoken to. Its arguments: key, certificate, the authority whose clients it wants
// (or "-"), and "h1" if it knows nothing of HTTP/2.
import { readFileSync } from "node:fs";
import { createSecureServer } from "node:http2";
import { createServer } from "node:https";

const [key, cert, ca, speaks] = process.argv.slice(2);
const options = { key: readFileSync(key), cert: readFileSync(cert) };
if (ca !== "-") Object.assign(options, { ca: readFileSync(ca), requestCert: true, rejectUnauthorized: true });

const answer = (request, response) => {
  const { socket } = request.stream?.session ?? request;
  response.setHeader("content-type", "application/json");
  response.end(
    JSON.stringify({
      version: request.httpVersion,
      name: socket.servername || null,
      client: socket.getPeerCertificate().subject?.CN ?? null,
      host: request.authority ?? request.headers.host,
    }),
  );
};
const server = speaks === "h1" ? createServer(options, answer) : createSecureServer({ allowHTTP1: true, ...options }, answer);
server.on("tlsClientError", (error) => console.log(`refused ${error.code}`));
server.listen(0, "127.0.0.1", () => console.log(`listening ${server.address().port}`));
