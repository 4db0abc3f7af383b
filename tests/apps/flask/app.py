"""An ordinary Flask app with Flask-Session and Flask-Login. It has never heard of the gateway."""

import os
from datetime import datetime, timezone

from flask import Flask, redirect, request, session
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_session import Session
from redis import Redis
from werkzeug.serving import WSGIRequestHandler, make_server

USERS = {"alice": "42", "bob": "9f1c2b34-0000-4000-8000-00000000b0b0"}

app = Flask(__name__)
app.config.update(
    SECRET_KEY="the-apps-own-secret-key-which-the-gateway-does-not-have",
    SESSION_TYPE="redis",
    SESSION_REDIS=Redis.from_url(os.environ["REDIS_URL"]),
    SESSION_SERIALIZATION_FORMAT=os.environ["SERIALIZATION_FORMAT"],
)
Session(app)
manager = LoginManager(app)


class User(UserMixin):
    def __init__(self, key):
        self.id = key


@manager.user_loader
def load(key):
    return User(key) if key in USERS.values() else None


@app.get("/home")
def home():
    return {"user": current_user.get_id()}


@app.get("/visit")
def visit():
    session["cart"] = {"articles": ["coat"], "since": datetime.now(timezone.utc)}
    return {}


@app.get("/login")
def form():
    return '<form method="post"><input name="username"><input name="password"><button>Log in</button></form>'


@app.post("/login")
def log_in():
    name = request.form["username"]
    if request.form["password"] != f"{name}'s password":
        return "no", 401
    login_user(User(USERS[name]))
    return redirect("/home")


@app.post("/logout")
def log_out():
    logout_user()
    return redirect("/home")


class Handler(WSGIRequestHandler):
    def log(self, *_):
        pass


server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)
print(f"listening {server.server_port}", flush=True)
server.serve_forever()
