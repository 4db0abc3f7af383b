// Says of every request how Node reads it. The fields are those of tests/it/cases/readers/account.rs.
import http from "node:http";

const server = http.createServer((request, response) => {
  let length = 0;
  request.on("data", (chunk) => (length += chunk.length));
  request.on("end", () => {
    const names = request.rawHeaders.filter((_, at) => at % 2 === 0).join(",");
    const path = request.url.split("?")[0];
    const { host, authorization = "" } = request.headers;
    const account = ["read", request.method, request.url, path, host, length, authorization, names].join("|");
    response.end(`${request.method} ${request.url}\n${account}\n`);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(process.argv[2]);
