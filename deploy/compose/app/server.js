// An Express app as there are thousands: express-session, connect-redis, a login and a logout. It knows nothing of the gateway.
import { RedisStore } from "connect-redis";
import express from "express";
import session from "express-session";
import { createClient } from "redis";

const client = createClient({ url: process.env.REDIS_URL });
client.on("error", (error) => console.error(error.message));
await client.connect();

const app = express();
app.use(
  session({
    store: new RedisStore({ client }),
    secret: process.env.SESSION_SECRET,
    resave: false,
    saveUninitialized: false,
    cookie: { httpOnly: true, sameSite: "lax" },
  }),
);
app.use(express.urlencoded({ extended: false }));

app.get("/", (request, response) => {
  const user = request.session.user;
  response.send(
    user
      ? `<p>Hello ${user.id}. <a href="/api/orders">Your orders</a><form method="post" action="/logout"><button>Log out</button></form>`
      : `<form method="post" action="/login"><button name="id" value="ann">Log in as ann</button> <button name="id" value="ben">as ben</button></form>`,
  );
});

app.post("/login", (request, response, next) => {
  const id = request.body?.id === "ben" ? "ben" : "ann";
  // A new session id at login, so that one planted before it is worth nothing.
  request.session.regenerate((error) => {
    if (error) return next(error);
    request.session.user = { id, email: `${id}@shop.example` };
    response.redirect(303, "/");
  });
});

app.post("/logout", (request, response, next) => {
  request.session.destroy((error) => (error ? next(error) : response.redirect(303, "/")));
});

app.listen(process.env.PORT ?? 3000);
