"""Who may add whom, what is shown once, what can be undone."""

import re
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from core.audit import SYSTEM, AuditEntry
from core.clock import utc_now
from core.db import db, transaction
from core.tokens import hashed
from stores import pins
from stores.models import ApiKey, Role, Staff, StaffStore
from tests.factories import make_chain, make_key, make_staff, make_store
from tests.pages import post, sign_in

NEW = {"name": "李静", "login": "Li@Example.com", "language": "zh", "role": "clerk"}


@pytest.fixture
def chain(app):
    return make_chain()


@pytest.fixture
def store(chain):
    return make_store(chain, "SH001")


@pytest.fixture
def hq(client, chain):
    return sign_in(client, make_staff(chain))


@pytest.fixture
def manager(app, chain, store):
    return sign_in(app.test_client(), make_staff(chain, Role.STORE_MANAGER, (store,)))


def found(login: str) -> Staff | None:
    return db.session.scalar(select(Staff).filter_by(login=login))


def actions() -> list[str]:
    return list(db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def test_head_office_adds_a_clerk_whose_password_is_shown_once_and_works(app, hq, store):
    page = post(hq, "/dashboard/staff/new", NEW | {"stores": store.id})
    password = re.search(r'data-copy="([^"]+)"', page.text)[1]

    person = found("li@example.com")
    assert page.status_code == 201
    assert (person.name, person.role) == ("李静", "clerk")
    assert db.session.scalars(select(StaffStore.store_id).filter_by(staff_id=person.id)).all() == [store.id]
    assert password not in hq.get(f"/dashboard/staff/{person.id}").text
    sign_in(app.test_client(), person, password)


def test_stores_are_named_by_number_where_there_are_many(hq, chain, store):
    for number in range(31):
        make_store(chain, f"N{number}")

    assert post(hq, "/dashboard/staff/new", NEW | {"store_codes": "SH001， N7"}).status_code == 201
    assert len(db.session.scalars(select(StaffStore)).all()) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stores": "", "store_codes": ""}, "至少要有一家门店"),
        ({"store_codes": "NOWHERE"}, "没有编号为 NOWHERE 的门店"),
        ({"stores": "9" * 30, "store_codes": ""}, "至少要有一家门店"),
        ({"password": "short"}, "密码至少 10 个字符"),
        ({"login": " "}, "账号和姓名都要填"),
    ],
)
def test_what_is_missing_is_said_and_the_form_keeps_its_words(hq, store, change, words):
    page = post(hq, "/dashboard/staff/new", NEW | {"store_codes": "SH001"} | change)

    assert page.status_code == 422
    assert words in page.text
    assert "李静" in page.text
    assert found("li@example.com") is None


def test_a_login_is_one_persons_in_all_chains(hq, store):
    make_staff(make_chain("other"), login="li@example.com")

    page = post(hq, "/dashboard/staff/new", NEW | {"stores": store.id})
    assert (page.status_code, "已经有人用了" in page.text) == (422, True)


def test_a_manager_adds_clerks_of_his_own_stores(manager, store):
    assert post(manager, "/dashboard/staff/new", NEW | {"stores": store.id}).status_code == 201


def test_a_manager_adds_nobody_else(manager, chain, store):
    other = make_store(chain, "SH002")

    assert post(manager, "/dashboard/staff/new", NEW | {"stores": other.id}).status_code == 422
    assert post(manager, "/dashboard/staff/new", NEW | {"stores": store.id, "role": "hq_admin"}).status_code == 422
    assert found("li@example.com") is None


def test_a_manager_changes_no_other_manager_and_no_clerk_of_two_stores(manager, chain, store):
    other = make_store(chain, "SH002")
    colleague = make_staff(chain, Role.STORE_MANAGER, (store,))
    shared = make_staff(chain, Role.CLERK, (store, other))
    own = make_staff(chain, Role.CLERK, (store,))

    seen = [manager.get(f"/dashboard/staff/{person.id}").status_code for person in (colleague, shared, own)]
    assert seen == [404, 404, 200]


def test_a_list_shows_a_manager_the_people_of_his_stores(manager, chain, store):
    make_staff(chain, Role.CLERK, (store,), name="自己店员")
    make_staff(chain, Role.CLERK, (make_store(chain, "SH002"),), name="别店店员")

    page = manager.get("/dashboard/staff").text
    assert ("自己店员" in page, "别店店员" in page) == (True, False)


def test_a_search_takes_percent_signs_as_they_are(hq, chain):
    make_staff(chain, name="100% 王")

    assert "100% 王" in hq.get("/dashboard/staff?search=0%25").text
    assert "100% 王" not in hq.get("/dashboard/staff?search=_%25_%25").text


def test_a_person_is_renamed_and_moved(hq, chain, store):
    clerk = make_staff(chain, Role.CLERK, (store,))
    other = make_store(chain, "SH002")

    post(hq, f"/dashboard/staff/{clerk.id}", {"name": "新名", "language": "en", "stores": other.id})

    db.session.expire_all()
    assert (clerk.name, clerk.language) == ("新名", "en")
    assert db.session.scalars(select(StaffStore.store_id).filter_by(staff_id=clerk.id)).all() == [other.id]
    assert actions()[-2:] == ["staff changed", "staff stores"]


def test_a_new_password_ends_the_old_one(app, hq, chain, store):
    clerk = make_staff(chain, Role.CLERK, (store,))
    till = sign_in(app.test_client(), clerk)

    page = post(hq, f"/dashboard/staff/{clerk.id}/password")

    assert till.get("/").location == "/login"
    sign_in(app.test_client(), clerk, re.search(r'data-copy="([^"]+)"', page.text)[1])


def test_locking_out_can_be_undone(app, hq, chain, store):
    clerk = make_staff(chain, Role.CLERK, (store,))

    post(hq, f"/dashboard/staff/{clerk.id}/disable")
    page = hq.get("/dashboard/staff").text
    post(hq, f"/dashboard/staff/{clerk.id}/enable")

    assert f'action="/dashboard/staff/{clerk.id}/enable"' in page
    sign_in(app.test_client(), clerk)


def test_head_office_takes_a_forgotten_pin_away_and_a_manager_does_not(hq, manager, chain):
    person = db.session.scalars(select(Staff).filter_by(role="store_manager")).one()
    with transaction():
        pins.set_pin(chain.id, person.id, "482913", by=SYSTEM, now=utc_now())
    path = f"/dashboard/staff/{person.id}"

    refused = post(manager, f"{path}/pin/clear").status_code
    shown = hq.get(path).text
    cleared = post(hq, f"{path}/pin/clear", follow_redirects=True).text

    assert (refused, "清除 PIN" in shown, "清除 PIN" in cleared) == (403, True, False)
    assert "还没有设 PIN" in cleared
    assert db.session.get_one(Staff, person.id, populate_existing=True).pin_hash is None
    assert actions()[-1] == "staff pin cleared"


def test_the_last_administrator_stays(hq, chain):
    admin = db.session.scalars(select(Staff).filter_by(role="hq_admin")).one()

    assert post(hq, f"/dashboard/staff/{admin.id}/disable").status_code == 409
    assert hq.get("/dashboard/staff").status_code == 200


def test_a_key_is_shown_once_and_kept_as_its_hash(hq, store):
    page = post(hq, "/dashboard/keys", {"name": "门口收银机", "role": "clerk", "store_code": "SH001"})
    secret = re.search(r'data-copy="(kq_[^"]+)"', page.text)[1]

    key = db.session.scalars(select(ApiKey)).one()
    assert (page.status_code, page.headers["Cache-Control"]) == (201, "private, no-store")
    assert (key.key_hash, key.last_four, key.store_id) == (hashed(secret), secret[-4:], store.id)
    assert secret not in hq.get("/dashboard/keys").text


def test_a_key_of_a_clerk_needs_a_store(hq):
    page = post(hq, "/dashboard/keys", {"name": "x", "role": "clerk"})

    assert (page.status_code, "密钥要指定门店" in page.text) == (422, True)


def test_a_revoked_key_is_refused_at_once_and_comes_back_within_ten_minutes(client, hq, chain):
    headers = {"Authorization": f"Bearer {make_key(chain)}"}
    key_id = db.session.scalars(select(ApiKey.id)).one()
    asked = "/api/v1/stores"

    answers = [client.get(asked, headers=headers).status_code]
    post(hq, f"/dashboard/keys/{key_id}/revoke")
    answers.append(client.get(asked, headers=headers).status_code)
    post(hq, f"/dashboard/keys/{key_id}/restore")
    answers.append(client.get(asked, headers=headers).status_code)
    post(hq, f"/dashboard/keys/{key_id}/revoke")
    with time_machine.travel(utc_now() + timedelta(minutes=11)):
        late = post(hq, f"/dashboard/keys/{key_id}/restore").status_code

    assert (answers, late) == ([200, 401, 200], 404)
    assert actions()[-3:] == ["key revoked", "key restored", "key revoked"]
