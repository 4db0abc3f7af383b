// An ordinary Express app that keeps its sessions in Redis and has never heard of the gateway.
import { createHash } from "node:crypto";
import express from "express";
import session from "express-session";
import { RedisStore } from "connect-redis";
import { createClient } from "redis";

const client = createClient({ url: process.env.REDIS_URL });
client.on("error", () => {});
await client.connect();

const app = express();
app.disable("x-powered-by");
app.use(
  session({
    store: new RedisStore({ client }),
    secret: process.env.SESSION_SECRET,
    resave: false,
    saveUninitialized: false,
    // With a cookie that is sent again on every answer, where a test asks for that.
    ...(process.env.ROLLING ? { rolling: true, cookie: { maxAge: 1_000_000 } } : {}),
  }),
);

app.post("/login", express.urlencoded(), (request, response, next) => {
  request.session.regenerate((error) => {
    if (error) return next(error);
    request.session.user = { id: request.body.user, email: `${request.body.user}@example.com` };
    request.session.roles = ["customer", "beta"];
    request.session.save((error) => (error ? next(error) : response.redirect("/home")));
  });
});

app.post("/logout", (request, response, next) => {
  request.session.destroy((error) => {
    if (error) return next(error);
    response.clearCookie("connect.sid").redirect("/");
  });
});

app.get("/home", (request, response) => {
  response.json({ user: request.session.user ?? null, headers: request.headers });
});

// For who is logged in: others are sent to the login page.
app.get("/account", (request, response) => {
  if (!request.session.user) return response.redirect("/login");
  response.json({ user: request.session.user.id });
});

app.post("/upload", (request, response) => {
  const hash = createHash("sha256");
  let bytes = 0;
  request.on("data", (chunk) => {
    bytes += chunk.length;
    hash.update(chunk);
  });
  request.on("end", () => response.json({ bytes, sha256: hash.digest("hex") }));
});

app.get("/cookies", (request, response) => {
  response.cookie("theme", "dark").cookie("lang", "de", { maxAge: 1000 }).json({ cookie: request.headers.cookie ?? "" });
});

app.get("/moved", (_request, response) => response.redirect(301, "https://elsewhere.example/x?y=1"));

const server = app.listen(0, "127.0.0.1", () => console.log(`listening ${server.address().port}`));
