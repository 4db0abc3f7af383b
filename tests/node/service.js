// A service that knows nothing of sessions: it takes a token, checks it by the published keys, and says whose it is.
import { createServer } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";

// A transaction token has a header and a type of its own, and no `jti`.
const txn = process.env.PROFILE === "txn";
const keys = createRemoteJWKSet(new URL(process.env.JWKS_URL), { cooldownDuration: 0 });
const rules = {
  issuer: process.env.ISSUER,
  audience: process.env.AUDIENCE,
  algorithms: [process.env.ALGORITHM],
  typ: txn ? "txntoken+jwt" : "at+jwt",
  clockTolerance: 0,
  requiredClaims: txn ? ["sub", "exp", "iat", "txn", "scope", "req_wl"] : ["sub", "exp", "jti", "sid"],
};

const server = createServer(async (request, response) => {
  const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
  const token = txn ? (request.headers["txn-token"] ?? "") : bearer;
  try {
    const { payload, protectedHeader } = await jwtVerify(token, keys, rules);
    const seen = { sub: payload.sub, claims: payload, header: protectedHeader, cookie: request.headers.cookie ?? null };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(seen));
  } catch (error) {
    response.writeHead(401, { "www-authenticate": `Bearer error="invalid_token", error_description="${error.code}"` }).end();
  }
});
server.listen(0, "127.0.0.1", () => console.log(`listening ${server.address().port}`));
