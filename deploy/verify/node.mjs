// Node with jose: npm install jose. JWKS_URL, ISSUER and AUDIENCE as in gateway.toml; PORT to try it with `cloakroom attest`.
import { createServer } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";

const { JWKS_URL, ISSUER = "https://gateway.internal", AUDIENCE, PORT } = process.env;
// Fetched again for an unknown `kid`, at most every 30 s, and when it is five minutes old. That is the set's max-age, which jose does not
// read: by its own ten minutes a key that was taken out would count for longer than the gateway says.
const keys = createRemoteJWKSet(new URL(JWKS_URL), { cacheMaxAge: 300_000 });
const rules = {
  issuer: ISSUER,
  audience: AUDIENCE,
  algorithms: ["ES256"],
  typ: "at+jwt",
  requiredClaims: ["sub", "exp"],
  clockTolerance: 5,
};

// The claims of whoever asks; throws: answer 401.
export async function userOf(request) {
  const token = request.headers.authorization?.match(/^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i)?.[1];
  if (!token || token.length > 8192) throw new Error("no token");
  return (await jwtVerify(token, keys, rules)).payload;
}

if (PORT) {
  const server = createServer(async (request, response) => {
    try {
      const { sub } = await userOf(request);
      response.end(`${sub}\n`);
    } catch {
      response.writeHead(401, { "WWW-Authenticate": 'Bearer error="invalid_token"' }).end();
    }
  });
  server.listen(Number(PORT), "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
}
