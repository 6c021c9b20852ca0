"""Commands: what they print where, and how they end."""

import json
import os
import subprocess
import sys

import pytest
from sqlalchemy import select

from app.config import ROOT
from cards.models import Program, Tier
from core.db import db
from stores.models import ApiKey, Chain, Staff
from tests.factories import PASSWORD, make_chain, make_staff, make_store
from tests.pages import sign_in


@pytest.fixture
def run(app, monkeypatch):
    """Runs a command in an English terminal; gives (status, standard output, standard error)."""
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.delenv("LC_MESSAGES", raising=False)

    def invoke(*words, standard_input=None):
        result = app.test_cli_runner().invoke(args=[str(word) for word in words], input=standard_input)
        db.session.rollback()
        return result.exit_code, result.stdout, result.stderr

    return invoke


def test_a_chain_comes_with_its_card_and_tiers(run):
    status, out, err = run(
        "chains", "create", "--slug", "snow", "--name", "雪山", "--name-en", "Snow", "--currency", "cny"
    )

    chain = db.session.scalars(select(Chain)).one()
    assert (status, out) == (0, "")
    assert "snow" in err
    assert (chain.name, chain.name_en, chain.currency, chain.timezone) == ("雪山", "Snow", "CNY", "Asia/Shanghai")
    assert db.session.scalars(select(Program.is_default)).all() == [True]
    assert len(db.session.scalars(select(Tier)).all()) >= 2


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["--slug", "Snow Peak", "--name", "x"], "A slug has"),
        (["--slug", "snow", "--name", "x", "--timezone", "Mars/Olympus"], "“Mars/Olympus” is not a time zone"),
        (["--slug", "snow", "--name", "x", "--currency", "QQQ"], "no currency QQQ"),
        (["--slug", "taken", "--name", "x"], "Another chain has this slug"),
    ],
)
def test_a_refusal_is_one_line_and_status_1(run, words, refusal):
    make_chain("taken")

    status, out, err = run("chains", "create", *words)
    assert (status, out) == (1, "")
    assert refusal in err
    assert len(err.strip().splitlines()) == 1


def test_a_refusal_is_said_in_the_terminals_language(run, monkeypatch):
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")

    assert "代号用 2 到 39 个小写字母" in run("chains", "create", "--slug", "S!", "--name", "x")[2]


def test_a_usage_error_is_status_2(run):
    assert run("chains", "create", "--slug", "snow")[0] == 2
    assert run("keys", "create", "--role", "king")[0] == 2


def test_a_key_is_printed_alone_and_works(app, run, client):
    make_store(make_chain(), "SH001")
    status, out, err = run("keys", "create", "--role", "clerk", "--store", "SH001", "--name", "till")

    assert status == 0
    assert out.endswith("\n")
    assert out.count("\n") == 1
    assert "shown this once" in err
    assert client.get("/api/v1/stores", headers={"Authorization": f"Bearer {out.strip()}"}).status_code != 401


def test_keys_are_listed_without_themselves_and_revoked(run):
    make_chain()
    secret = run("keys", "create", "--role", "hq_admin")[1].strip()
    listed = run("keys", "list", "--json")[1]
    run("keys", "revoke", json.loads(listed)[0]["id"])

    assert secret not in listed
    assert json.loads(listed)[0]["last_four"] == secret[-4:]
    assert db.session.scalars(select(ApiKey)).one().revoked_at is not None


def test_staff_are_added_with_a_password_from_standard_input(app, run):
    make_store(make_chain(), "SH001")
    words = ("--login", "li@example.com", "--name", "李", "--role", "clerk", "--store", "SH001", "--password-stdin")
    status, out, err = run("staff", "create", *words, standard_input="a long password\n")

    assert (status, out) == (0, "")
    assert "a long password" not in err
    sign_in(app.test_client(), db.session.scalars(select(Staff)).one(), "a long password")


def test_staff_are_asked_for_a_password_twice(app, run):
    make_chain()
    words = ("staff", "create", "--login", "hq@example.com", "--name", "王", "--role", "hq_admin")
    status, out, _ = run(*words, standard_input="a long password\na long password\n")

    assert (status, out) == (0, "")
    sign_in(app.test_client(), db.session.scalars(select(Staff)).one(), "a long password")


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["--role", "clerk"], "needs at least one store"),
        (["--role", "clerk", "--store", "NOWHERE"], "no store with the number NOWHERE"),
    ],
)
def test_staff_without_a_place_are_refused(run, words, refusal):
    make_chain()
    status, _, err = run(
        "staff", "create", "--login", "x", "--name", "x", *words, "--password-stdin", standard_input=f"{PASSWORD}\n"
    )

    assert (status, refusal in err) == (1, True)


def test_a_person_gets_a_new_password_and_is_locked_out(app, run):
    chain = make_chain()
    make_staff(chain)
    clerk = make_staff(chain, login="li@example.com")
    run("staff", "password", "LI@example.com", "--password-stdin", standard_input="another long one\n")
    sign_in(app.test_client(), clerk, "another long one")
    run("staff", "disable", "li@example.com")

    listed = {person["login"]: person["disabled_at"] for person in json.loads(run("staff", "list", "--json")[1])}
    assert listed["li@example.com"] is not None
    assert sum(moment is None for moment in listed.values()) == 1


def test_a_chain_has_to_be_named_where_there_are_several(run):
    make_chain("one")
    make_chain("two")

    status, _, err = run("keys", "list")
    assert (status, "one, two" in err) == (2, True)
    assert run("keys", "list", "--chain", "two", "--json")[:2] == (0, "[]\n")
    assert run("keys", "list", "--chain", "three")[0] == 1


def test_without_a_chain_it_says_what_to_do(run):
    status, _, err = run("keys", "list")

    assert (status, "chains create" in err) == (2, True)


def test_lists_are_json_alone_or_columns(run):
    make_chain("one")
    columns = run("chains", "list")[1].splitlines()

    assert json.loads(run("chains", "list", "--json")[1])[0]["slug"] == "one"
    assert columns[0].split()[:2] == ["slug", "name"]
    assert columns[1].split()[0] == "one"


def test_every_command_explains_itself(app):
    runner = app.test_cli_runner()
    for name in ("chains", "staff", "keys", "config", "stores", "codes"):
        assert runner.invoke(args=[name, "--help"]).exit_code == 0


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["staff", "disable", "nobody@example.com"], "Nobody has the log-in nobody@example.com"),
        (["keys", "revoke", "999"], "There is no key with the number 999"),
        (["keys", "create", "--role", "hq_admin", "--store", "SH001"], "leave the store out"),
        (["keys", "create", "--role", "clerk"], "needs a store"),
    ],
)
def test_a_refusal_names_what_was_not_found(run, words, refusal):
    make_store(make_chain(), "SH001")

    status, out, err = run(*words)
    assert (status, out) == (1, "")
    assert refusal in err


def test_a_file_that_cannot_be_written_is_one_line_and_status_1(run, tmp_path):
    make_chain()
    (tmp_path / "taken").write_text("a file, no folder")

    for words in (
        ["codes", "export", "--out", tmp_path / "taken" / "codes"],
        ["reports", "export", "members", "--out", tmp_path / "nowhere" / "members.csv"],
    ):
        status, out, err = run(*words)
        assert (status, out) == (1, "")
        assert err.strip().splitlines()[-1].startswith(f"Error: {tmp_path}")
        assert "Traceback" not in err


@pytest.mark.parametrize("words", [["chains", "list"], ["db", "upgrade"]])
def test_a_database_that_cannot_be_reached_is_said_in_one_line(tmp_path, words):
    address = {"DATABASE_URL": f"sqlite:///{tmp_path}/nowhere/kaquan.db", "KAQUAN_VAR": str(tmp_path), "LANG": "C"}
    flask = [sys.executable, "-m", "flask", "--app", "wsgi", *words]
    ended = subprocess.run(flask, cwd=ROOT, env=os.environ | address, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Check DATABASE_URL" in ended.stderr
    assert "Traceback" not in ended.stderr
