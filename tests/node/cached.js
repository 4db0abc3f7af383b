// A service whose key set is cached for a second and fetched no sooner, whatever `kid` a token names.
import { createServer } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";

const { JWKS_URL, ISSUER, AUDIENCE } = process.env;
const keys = createRemoteJWKSet(new URL(JWKS_URL), { cacheMaxAge: 1000, cooldownDuration: 1000 });
const rules = { issuer: ISSUER, audience: AUDIENCE, algorithms: ["ES256"], typ: "at+jwt", requiredClaims: ["sub", "exp"] };

const server = createServer(async (request, response) => {
  try {
    const token = request.headers.authorization.slice("Bearer ".length);
    const { protectedHeader } = await jwtVerify(token, keys, rules);
    response.end(protectedHeader.kid);
  } catch (error) {
    response.writeHead(401).end(String(error));
  }
});
server.listen(0, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
