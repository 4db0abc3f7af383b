"""An ordinary Django site: its own login and logout views, its users in a database, its sessions in a Redis cache.

It has never heard of the gateway. CACHE names the cache's class, and CACHE_OPTIONS its options as JSON.
"""

import json
import os
import tempfile

import django
from django.conf import settings
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

directory = tempfile.TemporaryDirectory()
FORM = '<form method="post">{% csrf_token %}{{ form.as_p }}<button>Log in</button></form>'

settings.configure(
    SECRET_KEY="the-sites-own-secret-key-which-the-gateway-does-not-have",
    ALLOWED_HOSTS=["gw.test"],
    ROOT_URLCONF=__name__,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "context_processors": ["django.template.context_processors.request"],
                "loaders": [("django.template.loaders.locmem.Loader", {"login.html": FORM})],
            },
        }
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{directory.name}/db.sqlite3"}},
    CACHES={
        "default": {
            "BACKEND": os.environ["CACHE"],
            "LOCATION": os.environ["REDIS_URL"],
            "OPTIONS": json.loads(os.environ.get("CACHE_OPTIONS", "{}")),
        }
    },
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    # Nobody attacks these passwords, and the usual hasher takes a second for each.
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    LOGIN_REDIRECT_URL="/home",
    LOGOUT_REDIRECT_URL="/home",
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.contrib.auth.views import LoginView, LogoutView  # noqa: E402


def home(request):
    return JsonResponse({"user": str(request.user.pk) if request.user.is_authenticated else None})


def cart(request):
    """What a visitor has before logging in."""
    request.session["cart"] = [{"article": "coat", "number": 2}]
    return JsonResponse({})


urlpatterns = [
    path("home", home),
    path("visit", cart),
    path("login", LoginView.as_view(template_name="login.html")),
    path("logout", LogoutView.as_view()),
]

call_command("migrate", verbosity=0)
for key, name in ((42, "alice"), (9007199254740993, "bob")):
    user = User(pk=key, username=name)
    user.set_password(f"{name}'s password")
    user.save()


class Handler(WSGIRequestHandler):
    def log_message(self, *_):
        pass


server = ThreadedWSGIServer(("127.0.0.1", 0), Handler)
server.set_app(get_wsgi_application())
print(f"listening {server.server_address[1]}", flush=True)
server.serve_forever()
