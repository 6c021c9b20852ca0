"""Logging in and out, and staying on this site."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from app.auth import sessions
from app.auth.views import local_path
from core.clock import utc_now
from core.db import db, transaction
from stores import signing_in, staffing
from stores.models import Chain, Role, Staff, StaffSession
from tests.concurrency.racing import race
from tests.factories import PASSWORD, make_chain, make_staff, make_store
from tests.pages import csrf, post, sign_in


@pytest.fixture
def person(app):
    return make_staff(make_chain(), login="Snow@Example.com")


def log_in(client, login="snow@example.com", password=PASSWORD, **more):
    return post(client, "/login", {"login": login, "password": password, **more})


def test_the_right_password_signs_in(client, person):
    answer = log_in(client, " SNOW@example.com ")

    assert (answer.status_code, answer.location) == (302, "/dashboard/")
    assert client.get("/").location == "/dashboard/"
    assert client.get("/login").location == "/dashboard/"


def test_a_clerk_goes_to_the_till(client, app):
    chain = make_chain()
    clerk = make_staff(chain, Role.CLERK, (make_store(chain),))

    assert log_in(client, clerk.login).location == "/till/"


def test_nobody_is_sent_to_the_log_in(client):
    assert client.get("/").location == "/login"


def test_the_cookie_is_out_of_reach_of_scripts_and_the_database_holds_its_hash_only(client, person):
    answer = log_in(client)

    header = next(line for line in answer.headers.getlist("Set-Cookie") if line.startswith(sessions.COOKIE))
    token = header.split("=", 1)[1].split(";", 1)[0]
    assert "HttpOnly" in header
    assert "SameSite=Lax" in header
    assert token not in db.session.scalars(select(StaffSession.token_hash)).one()


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_name_with_a_nul_is_a_bad_request(client, person, kind):
    data = {"csrf_token": csrf(client, "/login"), "login": "snow\0@example.com", "password": PASSWORD}

    assert client.post("/login", data=data, content_type=kind).status_code == 400


def test_unknown_names_and_wrong_passwords_get_one_answer(client, person):
    unknown = log_in(client, "nobody@example.com", "wrong password")
    wrong = log_in(client, "snow@example.com", "wrong password")
    hide = [("nobody@example.com", "NAME"), ("snow@example.com", "NAME")]

    pages = []
    for answer in (unknown, wrong):
        text = answer.text
        for name, mask in hide:
            text = text.replace(name, mask)
        pages.append([line for line in text.splitlines() if "csrf" not in line])
    assert unknown.status_code == wrong.status_code == 401
    assert pages[0] == pages[1]


def test_unknown_names_take_a_password_check_too(client, person, monkeypatch):
    checked = []
    real = staffing.hasher

    class Counting:
        def hash(self, password):
            return real.hash(password)

        def verify(self, *arguments):
            checked.append(arguments)
            return real.verify(*arguments)

    monkeypatch.setattr(staffing, "hasher", Counting())
    for name in ("nobody@example.com", "snow@example.com"):
        log_in(client, name, "wrong password")

    assert len(checked) == 2


def test_the_fifth_wrong_password_locks_the_name_for_five_minutes(client, person):
    start = utc_now()
    with time_machine.travel(start, tick=False) as clock:
        answers = [log_in(client, password="wrong password").status_code for _ in range(5)]
        locked = log_in(client).status_code
        clock.move_to(start + timedelta(minutes=5))
        later = log_in(client).status_code

    assert (answers, locked, later) == ([401] * 5, 401, 302)


def test_a_right_password_forgets_the_wrong_ones(client, person):
    for _ in range(4):
        log_in(client, password="wrong password")
    log_in(client)
    post(client, "/logout")
    for _ in range(4):
        log_in(client, password="wrong password")

    assert log_in(client).status_code == 302


def test_parallel_guesses_are_counted_before_they_are_looked_at(app, person):
    def guess(_number):
        with transaction():
            return signing_in.take_try("snow@example.com", now=utc_now()) is not None

    looked_at = race(app, guess, racers=16)

    assert looked_at.count(True) == 5
    assert db.session.get_one(Staff, person.id, populate_existing=True).failed_logins == 5


def test_an_address_that_tries_too_often_has_to_wait(client, app):
    answers = [log_in(client, f"name{n}@example.com").status_code for n in range(31)]

    assert answers == [401] * 30 + [429]


def test_somebody_who_left_is_let_in_no_more_and_is_out_at_once(client, person, app):
    make_staff(db.session.get_one(Chain, person.chain_id))  # somebody of head office stays
    sign_in(client, person)
    with transaction():
        staffing.disable_staff(person.chain_id, person.id, by=staffing.audit.SYSTEM, now=utc_now())

    assert client.get("/").location == "/login"
    assert log_in(client).status_code == 401


def test_a_session_ends_with_the_log_out(client, person):
    sign_in(client, person)
    token = client.get_cookie(sessions.COOKIE).value
    post(client, "/logout")
    client.set_cookie(sessions.COOKIE, token)

    assert client.get("/").location == "/login"


def test_a_session_ends_after_fourteen_days(client, person):
    sign_in(client, person)

    with time_machine.travel(utc_now() + timedelta(days=13, hours=23)):
        assert client.get("/").location == "/dashboard/"
    with time_machine.travel(utc_now() + timedelta(days=14, minutes=1)):
        assert client.get("/").location == "/login"


def test_a_log_in_ends_the_session_before_it_on_this_browser(client, person):
    sign_in(client, person)
    sign_in(client, person)

    ended = db.session.scalars(select(StaffSession.ended_at).order_by(StaffSession.id)).all()
    assert [moment is None for moment in ended] == [False, True]


@pytest.mark.parametrize("path", ["/login", "/logout", "/language"])
def test_a_form_without_its_token_is_refused(client, path):
    assert client.post(path, data={"login": "a", "password": "b"}).status_code == 400


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil",
        "javascript:alert(1)",
        "/\t/evil",
        "",
        None,
    ],
)
def test_a_log_in_never_leads_to_another_site(target):
    assert local_path(target) is None


def test_a_log_in_goes_on_to_where_it_was_asked_for(client, person):
    assert log_in(client, next="/dashboard/offers?state=running").location == "/dashboard/offers?state=running"
    assert log_in(client, next="//evil.example").location == "/dashboard/"


def test_a_clerk_who_asked_for_the_dashboard_goes_to_the_till(client, app):
    chain = make_chain()
    clerk = make_staff(chain, Role.CLERK, (make_store(chain),))

    assert log_in(client, clerk.login, next="/dashboard/").location == "/till/"
    assert client.get("/login?next=/dashboard/offers").location == "/till/"
    assert log_in(client, clerk.login, next="/till/day").location == "/till/day"


def test_the_form_carries_the_token_and_the_next_page(client, app):
    page = client.get("/login?next=/till/").text

    assert 'name="next" value="/till/"' in page
    assert csrf(client)


def test_the_chosen_language_is_kept(client, app):
    assert "Log in" in client.get("/login?lang=en").text
    assert "Log in" in client.get("/login").text
    post(client, "/language", {"language": "zh", "next": "/login"})
    assert "登录" in client.get("/login").text


def test_an_unknown_language_changes_nothing(client, app):
    client.get("/login?lang=en")
    post(client, "/language", {"language": "xx"})

    assert "Log in" in client.get("/login").text


def change(client, old=PASSWORD, new="a new and long one"):
    return post(client, "/account", {"password": old, "new_password": new})


def test_a_person_changes_his_own_password_and_every_other_browser_is_signed_out(app, client, person):
    elsewhere = sign_in(app.test_client(), person)
    sign_in(client, person)

    assert change(client).location == "/dashboard/"
    assert client.get("/").location == "/dashboard/"
    assert elsewhere.get("/").location == "/login"
    assert log_in(app.test_client(), person.login, "a new and long one").status_code == 302


@pytest.mark.parametrize(
    ("old", "new", "status"), [("wrong wrong wrong", "long enough 1", 401), (PASSWORD, "short", 422)]
)
def test_a_wrong_or_short_password_changes_nothing(client, person, old, new, status):
    sign_in(client, person)

    assert change(client, old, new).status_code == status
    assert log_in(client.application.test_client(), person.login).status_code == 302


PIN = {"pin": "482913", "pin_again": "482913", "password": PASSWORD}


def pin_hash(person):
    return db.session.get_one(Staff, person.id, populate_existing=True).pin_hash


def test_a_manager_sets_his_own_pin_with_his_password(client, app):
    chain = make_chain()
    manager = make_staff(chain, Role.STORE_MANAGER, (make_store(chain),))
    sign_in(client, manager)

    answer = post(client, "/account/pin", PIN, follow_redirects=True)

    assert "PIN 已设定" in answer.text
    assert "您已设过 PIN" in answer.text
    assert pin_hash(manager).startswith("$argon2")


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"password": "wrong password"}, 401, "账号或密码不对"),
        ({"pin_again": "482914"}, 422, "两次输入的 PIN 不一样"),
        ({"pin": "123456", "pin_again": "123456"}, 422, "不能全相同或连号"),
        ({"pin": "", "pin_again": ""}, 422, "PIN 是 6 位数字"),
    ],
)
def test_a_pin_that_will_not_do_is_refused_with_its_reason(client, person, change, status, words):
    sign_in(client, person)

    answer = post(client, "/account/pin", PIN | change)

    assert (answer.status_code, words in answer.text) == (status, True)
    assert pin_hash(person) is None


def test_a_clerk_has_no_pin(client, app):
    chain = make_chain()
    clerk = make_staff(chain, Role.CLERK, (make_store(chain),))
    sign_in(client, clerk)

    assert "/account/pin" not in client.get("/account").text
    assert post(client, "/account/pin", PIN).status_code == 403
