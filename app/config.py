"""Settings, read once from the environment and ``.env``, typed."""

import os
import secrets
from dataclasses import dataclass, fields
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from click import ClickException
from dotenv import dotenv_values
from environs import Env, EnvError

from push.channels import vapid, wechat_encryption

ROOT = Path(__file__).resolve().parent.parent
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
WEAK = {"secret", "changeme", "password", "dev", "test"}
SHORTEST_SECRET = 32  # characters
BROKERS = ("redis://", "rediss://", "unix://", "amqp://", "amqps://")
SECRETS = {"secret_key", "database_url", "smtp_url", "gateway_secret", "vapid_private_key", "broker_url"} | {
    "wechat_secret",
    "wechat_token",
    "wechat_encoding_aes_key",
    "bounces_url",
}


class SettingsError(ClickException):
    """A setting is missing or makes no sense; the text says which and what to write. Commands end with it."""


@dataclass(frozen=True)
class Settings:
    """Every setting of the application. The names in the environment are these in capitals."""

    database_url: str
    secret_key: str
    public_url: str = "http://localhost:8000"
    port: int = 8000
    production: bool = False
    web_processes: int = 0  # 0: as many as suit the database
    web_threads: int = 0
    trusted_proxies: int = 0
    public_calls_per_minute: int = 3000  # wallets opened or visits told by one address
    smtp_url: str = ""
    mail_from: str = "kaquan@localhost"
    gateway_url: str = ""
    gateway_secret: str = ""
    wechat_appid: str = ""
    wechat_secret: str = ""
    wechat_url: str = "https://api.weixin.qq.com"
    wechat_token: str = ""  # by which we know that /wechat/events was called by WeChat
    wechat_encoding_aes_key: str = ""  # with it, only what WeChat encrypted is taken there
    bounces_url: str = ""  # the mailbox of MAIL_FROM, where mail servers report what they could not deliver
    console_channels: bool = False  # channels that are not set up print what they would send
    show_phone_codes: bool = False  # without a gateway, one-time codes stand on the page and in the terminal
    vapid_private_key: str = ""  # for Web Push; without one it comes from secret_key
    push_services: str = "fcm.googleapis.com push.services.mozilla.com push.apple.com notify.windows.com"
    webhooks_in_own_network: bool = False  # webhooks may call addresses of this network, and over http
    push_lease_seconds: int = 120  # after that, what a dead worker was sending is taken again
    email_per_minute: int = 0  # at most so many, over all workers; 0: as fast as it goes
    gateway_per_minute: int = 0
    web_push_per_minute: int = 0
    wechat_per_minute: int = 0
    gateway_parallel: int = 64  # messages that one worker has on their way at once
    broker_url: str = ""  # Redis or RabbitMQ: tells workers on any machine that there is work
    poster_font: str = ""
    log_level: str = "INFO"
    testing: bool = False

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def is_web_push_possible(self) -> bool:
        """Browsers let only secure pages show notifications: https, or this machine itself."""
        return bool(self.push_services) and (self.is_https or urlsplit(self.public_url).hostname in vapid.THIS_MACHINE)

    @property
    def operator_address(self) -> str:
        """Where a push service can complain (RFC 8292)."""
        return self.public_url if self.is_https else f"mailto:{parseaddr(self.mail_from)[1] or self.mail_from}"


def load_settings(**overrides: object) -> Settings:
    """Settings of this process: overrides, then the environment, then ``.env``, then defaults.

    Raises SettingsError with what to write where.
    """
    env = _environment()
    var = Path(env.str("KAQUAN_VAR", str(ROOT / "var")))
    values: dict[str, object] = {}
    for field in fields(Settings):
        name = field.name.upper()
        if field.name in overrides:
            values[field.name] = overrides[field.name]
        elif env.str(name, ""):
            values[field.name] = _read(env, name, field.type)
    values.setdefault("database_url", f"sqlite:///{_made(var) / 'kaquan.db'}")
    values["database_url"] = _with_driver(str(values["database_url"]))
    if "secret_key" not in values:
        values["secret_key"] = _kept_secret(var)
    if "public_url" not in values and "port" in values:
        values["public_url"] = f"http://localhost:{values['port']}"
    settings = Settings(**values)  # type: ignore[arg-type]
    _check(settings)
    return settings


def sources() -> dict[str, str]:
    """Where each setting of this process comes from: environment, .env, var or default."""
    in_file = _dotenv_names()
    return {
        field.name: "environment"
        if os.environ.get(field.name.upper()) and field.name.upper() not in in_file
        else ".env"
        if field.name.upper() in in_file
        else "var/secret_key"
        if field.name == "secret_key"
        else "default"
        for field in fields(Settings)
    }


def masked(name: str, value: object) -> str:
    """A value fit to be printed: secrets show their kind and no more."""
    if name not in SECRETS or not value:
        return str(value)
    address = urlsplit(str(value))
    if address.scheme and address.scheme != str(value):
        port = f":{address.port}" if address.port else ""
        user = "***@" if address.username or address.password else ""
        return f"{address.scheme}://{user}{address.hostname or ''}{port}{address.path}"
    return "***"


def _environment() -> Env:
    env = Env()
    if (ROOT / ".env").exists() and not os.environ.get("KAQUAN_NO_DOTENV"):
        _dotenv_names()
        env.read_env(str(ROOT / ".env"), recurse=False)
    return env


def _read(env: Env, name: str, kind: Any) -> object:
    try:
        return {int: env.int, bool: env.bool}.get(kind, env.str)(name)
    except EnvError:
        wanted = "a whole number" if kind is int else "true or false"
        raise SettingsError(f"{name}: {wanted}, not {env.str(name)}") from None


_from_file: set[str] = set()


def _dotenv_names() -> set[str]:
    """Names that ``.env`` gives and the environment did not, noted before they are mixed.

    ``flask`` mixes them before we are asked: a name for which both say the same counts as the file's.
    """
    path = ROOT / ".env"
    if path.exists() and not _from_file:
        said = dotenv_values(path)
        _from_file.update(name for name, value in said.items() if os.environ.get(name, value) == value)
    return _from_file


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise SettingsError(f"KAQUAN_VAR: {folder} cannot be made ({problem.strerror})") from None
    return folder


def _with_driver(url: str) -> str:
    for plain in ("postgres://", "postgresql://"):
        if url.startswith(plain):
            return "postgresql+psycopg://" + url.removeprefix(plain)
    return url


def _kept_secret(var: Path) -> str:
    """The secret of this installation: made once, readable by its owner only."""
    path = _made(var) / "secret_key"
    try:
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
    except FileExistsError:
        pass
    except OSError as problem:
        raise SettingsError(f"KAQUAN_VAR: {path} cannot be written ({problem.strerror})") from None
    return path.read_text().strip()


def _check(settings: Settings) -> None:
    if not settings.database_url.startswith(("sqlite:", "postgresql+psycopg:")):
        raise SettingsError("DATABASE_URL: sqlite:///path or postgresql://user@host/name")
    if settings.production and (len(settings.secret_key) < SHORTEST_SECRET or settings.secret_key.lower() in WEAK):
        raise SettingsError(f"SECRET_KEY: at least {SHORTEST_SECRET} random characters in production")
    if not urlsplit(settings.public_url).scheme.startswith("http"):
        raise SettingsError("PUBLIC_URL: http(s)://host, as customers' phones reach it")
    if not 0 < settings.port < 65536:
        raise SettingsError("PORT: between 1 and 65535")
    if min(settings.web_processes, settings.web_threads, settings.trusted_proxies) < 0:
        raise SettingsError("WEB_PROCESSES, WEB_THREADS, TRUSTED_PROXIES: 0 or more")
    if settings.public_calls_per_minute < 1:
        raise SettingsError("PUBLIC_CALLS_PER_MINUTE: 1 or more")
    if settings.push_lease_seconds < 1:
        raise SettingsError("PUSH_LEASE_SECONDS: 1 or more")
    if settings.log_level.upper() not in LEVELS:
        raise SettingsError(f"LOG_LEVEL: {', '.join(LEVELS)}")
    if settings.production and settings.show_phone_codes:
        raise SettingsError("SHOW_PHONE_CODES: for looking only; in production codes go to phones (GATEWAY_URL)")
    _check_channels(settings)


def _check_channels(settings: Settings) -> None:
    paces = (
        settings.email_per_minute,
        settings.gateway_per_minute,
        settings.web_push_per_minute,
        settings.wechat_per_minute,
    )
    if min(paces) < 0 or settings.gateway_parallel < 1:
        raise SettingsError("EMAIL_PER_MINUTE and the others: 0 or more; GATEWAY_PARALLEL: 1 or more")
    if settings.broker_url and not settings.broker_url.startswith(BROKERS):
        raise SettingsError("BROKER_URL: redis://host:6379/0 or amqp://user:password@host:5672")
    if settings.smtp_url and not settings.smtp_url.startswith(("smtp://", "smtps://")):
        raise SettingsError("SMTP_URL: smtp://user:password@host:587 or smtps://user:password@host:465")
    if settings.gateway_url and not settings.gateway_url.startswith(("http://", "https://")):
        raise SettingsError("GATEWAY_URL: http(s)://host/path of the gateway")
    if settings.bounces_url and not settings.bounces_url.startswith(("imap://", "imaps://")):
        raise SettingsError("BOUNCES_URL: imaps://user:password@host/INBOX")
    _check_wechat(settings)
    try:
        vapid.private_key(settings.secret_key, settings.vapid_private_key)
    except vapid.KeyInvalid:
        raise SettingsError("VAPID_PRIVATE_KEY: the 32 bytes of a P-256 key in base64url") from None


def _check_wechat(settings: Settings) -> None:
    if bool(settings.wechat_appid) != bool(settings.wechat_secret):
        raise SettingsError("WECHAT_APPID, WECHAT_SECRET: both or neither")
    if not settings.wechat_url.startswith(("http://", "https://")):
        raise SettingsError("WECHAT_URL: http(s)://host of WeChat's API")
    if settings.wechat_encoding_aes_key and not (settings.wechat_appid and settings.wechat_token):
        raise SettingsError("WECHAT_ENCODING_AES_KEY: together with WECHAT_APPID and WECHAT_TOKEN")
    try:
        wechat_encryption.read_keys(settings.wechat_encoding_aes_key)
    except wechat_encryption.KeyInvalid:
        raise SettingsError("WECHAT_ENCODING_AES_KEY: the 43 characters of the account's EncodingAESKey") from None
