"""Settings: read once, typed, refused when they make no sense, printed without secrets."""

import json
import stat

import pytest

from app import config
from app.config import SettingsError, load_settings, masked

GOOD_SECRET = "s" * 40
ACCOUNT = {"wechat_appid": "wx1", "wechat_secret": "s", "wechat_token": "t"}
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"


@pytest.fixture(autouse=True)
def _own_place(monkeypatch, tmp_path):
    """No .env and no environment of whoever runs the tests."""
    for field in config.fields(config.Settings):
        monkeypatch.delenv(field.name.upper(), raising=False)
    monkeypatch.setattr(config, "_from_file", set())
    monkeypatch.setattr(config, "ROOT", tmp_path)
    monkeypatch.setenv("KAQUAN_VAR", str(tmp_path / "var"))


def test_without_settings_it_runs_on_sqlite_with_a_secret_of_its_own(tmp_path):
    first, second = load_settings(), load_settings()

    assert first.database_url == f"sqlite:///{tmp_path}/var/kaquan.db"
    assert first.secret_key == second.secret_key
    assert len(first.secret_key) > 40
    assert stat.S_IMODE((tmp_path / "var/secret_key").stat().st_mode) == 0o600


def test_the_environment_is_read_with_its_types(monkeypatch):
    monkeypatch.setenv("PORT", "8123")
    monkeypatch.setenv("PRODUCTION", "yes")
    monkeypatch.setenv("SECRET_KEY", GOOD_SECRET)

    settings = load_settings()
    assert (settings.port, settings.production, settings.public_url) == (8123, True, "http://localhost:8123")


def test_an_override_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("PORT", "8123")

    assert load_settings(port=9).port == 9


@pytest.mark.parametrize("url", ["postgres://u:p@h/d", "postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"])
def test_postgresql_is_reached_by_one_driver(url):
    settings = load_settings(database_url=url)

    assert (settings.database_url, settings.is_sqlite) == ("postgresql+psycopg://u:p@h/d", False)


@pytest.mark.parametrize(
    ("overrides", "word"),
    [
        ({"database_url": "mysql://x"}, "DATABASE_URL"),
        ({"production": True, "secret_key": "short"}, "SECRET_KEY"),
        ({"production": True, "secret_key": "changeme"}, "SECRET_KEY"),
        ({"public_url": "ftp://x"}, "PUBLIC_URL"),
        ({"port": 99999}, "PORT"),
        ({"trusted_proxies": -1}, "TRUSTED_PROXIES"),
        ({"push_lease_seconds": 0}, "PUSH_LEASE_SECONDS"),
        ({"vapid_private_key": "short"}, "VAPID_PRIVATE_KEY"),
        ({"public_calls_per_minute": 0}, "PUBLIC_CALLS_PER_MINUTE"),
        ({"log_level": "LOUD"}, "LOG_LEVEL"),
        ({"smtp_url": "mail.example.com"}, "SMTP_URL"),
        ({"gateway_url": "gateway.example.com"}, "GATEWAY_URL"),
        ({"wechat_appid": "wx1"}, "WECHAT_SECRET"),
        ({"wechat_url": "api.weixin.qq.com"}, "WECHAT_URL"),
        (ACCOUNT | {"wechat_encoding_aes_key": "k" * 42}, "WECHAT_ENCODING_AES_KEY: the 43 characters"),
        (ACCOUNT | {"wechat_encoding_aes_key": f"{AES_KEY}="}, "WECHAT_ENCODING_AES_KEY: the 43 characters"),
        (ACCOUNT | {"wechat_encoding_aes_key": "k" * 42 + "!"}, "WECHAT_ENCODING_AES_KEY: the 43 characters"),
        (ACCOUNT | {"wechat_encoding_aes_key": " "}, "WECHAT_ENCODING_AES_KEY: the 43 characters"),
        (ACCOUNT | {"wechat_encoding_aes_key": AES_KEY, "wechat_token": ""}, "with WECHAT_APPID and WECHAT_TOKEN"),
        ({"wechat_encoding_aes_key": AES_KEY, "wechat_token": "t"}, "with WECHAT_APPID and WECHAT_TOKEN"),
        ({"bounces_url": "pop3://mail.example.com"}, "BOUNCES_URL"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_name_of_the_setting(overrides, word):
    with pytest.raises(SettingsError, match=word):
        load_settings(**overrides)


def test_a_key_of_wechat_is_taken_alone_or_with_the_one_before():
    for keys in (AES_KEY, f"{AES_KEY} {AES_KEY[::-1]}"):
        assert load_settings(**ACCOUNT, wechat_encoding_aes_key=keys).wechat_encoding_aes_key == keys


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "abc", "PORT: a whole number, not abc"),
        ("PRODUCTION", "maybe", "PRODUCTION: true or false, not maybe"),
        ("KAQUAN_VAR", "/dev/null/var", "KAQUAN_VAR: /dev/null/var cannot be made"),
    ],
)
def test_a_setting_that_cannot_be_read_is_refused_with_what_to_write(monkeypatch, name, value, said):
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=said):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("port", 8000, "8000"),
        ("secret_key", GOOD_SECRET, "***"),
        ("wechat_encoding_aes_key", AES_KEY, "***"),
        ("smtp_url", "", ""),
        ("database_url", "postgresql+psycopg://user:pass@db:5433/kaquan", "postgresql+psycopg://***@db:5433/kaquan"),
        ("smtp_url", "smtps://me:pw@mail.example.com", "smtps://***@mail.example.com"),
        ("database_url", "sqlite:////var/kaquan.db", "sqlite:////var/kaquan.db"),
    ],
)
def test_secrets_are_masked(name, value, shown):
    assert masked(name, value) == shown


def test_the_command_prints_every_setting_with_its_source(app, monkeypatch):
    monkeypatch.setenv("SMTP_URL", "smtps://me:hunter2@mail.example.com")
    result = app.test_cli_runner().invoke(args=["config", "--json"])

    shown = json.loads(result.output)
    assert set(shown) == {field.name.upper() for field in config.fields(config.Settings)}
    assert shown["SECRET_KEY"]["value"] == "***"
    assert (shown["SMTP_URL"]["source"], shown["PORT"]["source"]) == ("environment", "default")
    assert "hunter2" not in result.output


def test_what_stands_in_the_file_is_told_from_the_environment_though_flask_has_mixed_them(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("PORT=8185\nexport MAIL_FROM='me@example.com'  # ours\nLOG_LEVEL=INFO\n")
    for name, value in {"PORT": "8185", "MAIL_FROM": "me@example.com", "LOG_LEVEL": "DEBUG"}.items():
        monkeypatch.setenv(name, value)

    said = config.sources()

    assert (said["port"], said["mail_from"], said["log_level"]) == (".env", ".env", "environment")


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"broker_url": "http://redis:6379"}, "BROKER_URL"),
        ({"gateway_per_minute": -1}, "EMAIL_PER_MINUTE"),
        ({"gateway_parallel": 0}, "GATEWAY_PARALLEL"),
    ],
)
def test_a_pace_or_a_broker_that_makes_no_sense_is_refused(wrong, name):
    with pytest.raises(SettingsError, match=name):
        load_settings(secret_key=GOOD_SECRET, **wrong)
