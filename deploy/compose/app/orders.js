// A service behind the gateway: it checks the token and asks no session store.
import { createRemoteJWKSet, jwtVerify } from "jose";
import express from "express";

// The set's max-age, which jose does not read.
const keys = createRemoteJWKSet(new URL(process.env.JWKS), { cacheMaxAge: 300_000 });
const rules = { issuer: process.env.ISSUER, audience: "orders", algorithms: ["ES256"], typ: "at+jwt", requiredClaims: ["sub", "exp"] };

const app = express();
app.use(async (request, response, next) => {
  const token = request.get("authorization")?.match(/^Bearer (\S+)$/)?.[1] ?? "";
  try {
    request.user = (await jwtVerify(token, keys, rules)).payload;
  } catch {
    return response.status(401).set("www-authenticate", 'Bearer error="invalid_token"').end();
  }
  next();
});

app.get("/api/orders", (request, response) => {
  response.json({ sub: request.user.sub, email: request.user.email, cookie: request.get("cookie") ?? null, orders: [] });
});

app.listen(process.env.PORT ?? 3001);
