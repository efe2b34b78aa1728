"""Settings of the site, and the only reader of the environment and of .env.

A value that cannot be right stops the start with one line that names its variable. The
defaults are those of production: no debugging, and everything that rests on HTTPS is on
as soon as PUBLIC_URL begins with https.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext

from config import environment, installation

# Lets Django's classes name their types where they are used: ModelAdmin[Run].
django_stubs_ext.monkeypatch()

ROOT = Path(__file__).resolve().parent.parent

environment.read_file(ROOT / ".env")

# The installation

DATA_DIR = installation.private_folder(environment.text("DATA_DIR", str(ROOT / "data")))
SECRET_KEY = installation.secret_key(environment.text("SECRET_KEY"), DATA_DIR)
DEBUG = environment.flag("DEBUG")

PUBLIC_URL = environment.origin("PUBLIC_URL")
IS_HTTPS = PUBLIC_URL.startswith("https://")
LOCAL_HOSTS = ["localhost", "127.0.0.1", "[::1]"]


def _allowed_hosts(public_url: str) -> list[str]:
    host = urlsplit(public_url).hostname
    if not host:
        return LOCAL_HOSTS
    return [f"[{host}]" if ":" in host else host]


ALLOWED_HOSTS = _allowed_hosts(PUBLIC_URL)
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []

# Model servers


def _openai_server() -> dict[str, Any]:
    """What OPENAI_* say. Without an address of one's own they mean OpenAI itself."""
    base_url = environment.address("OPENAI_BASE_URL")
    kind = "chat_completions" if base_url else "responses"
    return {
        "kind": environment.choice(
            "OPENAI_API", kind, ("responses", "chat_completions")
        ),
        "base_url": base_url,
        "api_key": environment.text("OPENAI_API_KEY"),
        "default_model": environment.text(
            "OPENAI_MODEL", "" if base_url else "gpt-5-mini"
        ),
    }


RUN_EXPIRES_SECONDS = environment.number("RUN_EXPIRES_SECONDS", 600)
RUN_LEASE_SECONDS = environment.number("RUN_LEASE_SECONDS", 30)
RUN_GRACE_SECONDS = environment.number("RUN_GRACE_SECONDS", 120)
RUN_REST_SECONDS = environment.number("RUN_REST_SECONDS", 300)
RUN_CONCURRENCY = environment.number("RUN_CONCURRENCY", 64)
RUNS_PER_USER = environment.number("RUNS_PER_USER", 3)
QUEUED_PER_USER = environment.number("QUEUED_PER_USER", 20)
QUEUED_IN_ALL = environment.number("QUEUED_IN_ALL", 1_000)
AUTO_TITLES = environment.flag("AUTO_TITLES", "true")
MESSAGE_MAX_CHARS = environment.number("MESSAGE_MAX_CHARS", 100_000)
TOOL_MODULES = environment.text("TOOL_MODULES").replace(",", " ").split()
PROMPT_MAX_TOKENS = environment.number("PROMPT_MAX_TOKENS", 100_000)
FILE_MAX_BYTES = environment.number("FILE_MAX_BYTES", 67_108_864)
FILES_PER_USER_MAX_BYTES = environment.number("FILES_PER_USER_MAX_BYTES", 1_073_741_824)
TEXT_ONLY_MODELS = [
    name.strip().lower()
    for name in environment.text("TEXT_ONLY_MODELS").split(",")
    if name.strip()
]
SHARE_LINKS = environment.flag("SHARE_LINKS", "true")
TEMPORARY_HOURS = environment.number("TEMPORARY_HOURS", 24)
FIRST_TOKEN_TIMEOUT = environment.number("FIRST_TOKEN_TIMEOUT", 60)
SILENCE_TIMEOUT = environment.number("SILENCE_TIMEOUT", 45)
ANSWER_MAX_BYTES = environment.number("ANSWER_MAX_BYTES", 10_000_000)

_LIMITS = {
    "first_token_timeout": FIRST_TOKEN_TIMEOUT,
    "silence_timeout": SILENCE_TIMEOUT,
    "max_answer_bytes": ANSWER_MAX_BYTES,
}
MODEL_SERVERS: dict[str, dict[str, Any]] = {
    "openai": _openai_server() | _LIMITS,
    "demo": {"kind": "demo"} | _LIMITS,
}
DEFAULT_MODEL_SERVER = (
    "openai"
    if MODEL_SERVERS["openai"]["api_key"] or MODEL_SERVERS["openai"]["base_url"]
    else "demo"
)

# The application

INSTALLED_APPS = [
    "runs",
    "chat",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "django_htmx",
    "csp",
]
MIDDLEWARE = [
    "config.api.door",
    "django.middleware.security.SecurityMiddleware",
    "config.static.StaticFiles",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "chat.language.OwnLanguage",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "chat.storage.StorageAway",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "chat.context.site",
            ]
        },
    }
]
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [ROOT / "config" / "locale"]
FORMAT_MODULE_PATH = "config.formats"
TIME_ZONE = "UTC"
USE_TZ = True


def _sqlite() -> dict[str, Any]:
    """What every write needs of SQLite: a transaction that takes the write lock at its
    begin can wait for it, one that asks for it later fails at once."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": installation.private_file(DATA_DIR / "threadmill.sqlite3"),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }


DATABASES: dict[str, dict[str, Any]] = {
    "default": environment.postgresql("DATABASE_URL") or _sqlite()
}
if DATABASES["default"]["ENGINE"].endswith("postgresql"):
    # Its tables are there only where it works; see runs/dispatch.py.
    INSTALLED_APPS.append("procrastinate.contrib.django")
    PROCRASTINATE_AUTODISCOVER_MODULE_NAME = ""
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Two megabytes, as a long instruction may have, and the longest message, when every
# character is four bytes and each byte is sent as %XX.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024 + 12 * MESSAGE_MAX_CHARS

# Accounts and sessions

AUTH_USER_MODEL = "runs.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator"},
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator"},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
    {"NAME": f"{_VALIDATION}.NumericPasswordValidator"},
]
SESSION_COOKIE_AGE = 14 * 24 * 3600

# Security. A proxy ends HTTPS, and config/asgi.py takes the scheme from PUBLIC_URL, so
# that no header of a client is trusted for it.

SESSION_COOKIE_SECURE = IS_HTTPS
CSRF_COOKIE_SECURE = IS_HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if IS_HTTPS else 0
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # HSTS of other subdomains is for their owner to decide
    "security.W008",  # the proxy redirects http; here it would redirect without end
    "security.W021",  # and so is a place in the browsers' preload list
]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-src": ["'self'"],  # diagrams, see chat.diagrams
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "manifest-src": ["'self'"],
    }
}

# Static files, served by the process itself under an address that names their version


def _never_changes(path: str, url: str) -> bool:
    return not DEBUG


STATICFILES_DIRS = [ROOT / "static"]
STATIC_VERSION = installation.static_version(
    ROOT / "static",
    pins=ROOT / "requirements.txt",
    words=(ROOT / "config" / "locale").rglob("*.mo"),
)
STATIC_URL = f"/static/{STATIC_VERSION}/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_IMMUTABLE_FILE_TEST = _never_changes
WHITENOISE_ALLOW_ALL_ORIGINS = False

# Logging: plain lines on stderr

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "django": {"handlers": [], "level": "WARNING", "propagate": True},
        "runs": {"level": "INFO"},
        "chat": {"level": "INFO"},
        "config": {"level": "INFO"},
        "twisted": {"level": "CRITICAL"},  # where its unhandled errors arrive
    },
}
