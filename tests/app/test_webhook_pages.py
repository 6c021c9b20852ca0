"""Head office lets a partner listen, sees what it answered, and changes its mind."""

import re

import pytest

from core.db import db, transaction
from push.partners import endpoints as webhooks
from push.partners.models import WebhookEndpoint
from stores.models import Role
from tests.factories import NOON, make_chain, make_key, make_staff, make_store
from tests.pages import csrf, sign_in
from tests.push.webhooks import call_out, listen, messages, partner

PAGE = "/dashboard/webhooks"
FORM = {"name": "CRM", "url": "https://crm.example/hooks", "kinds": ["delivery.sent", "delivery.failed"]}
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")


@pytest.fixture
def chain(app):
    return make_chain()


@pytest.fixture
def hq(client, chain):
    sign_in(client, make_staff(chain, Role.HQ_ADMIN))
    return client


def post(client, path, form=None):
    return client.post(path, data=(form or {}) | {"csrf_token": csrf(client)})


def endpoint():
    db.session.commit()
    return db.session.scalars(db.select(WebhookEndpoint).execution_options(populate_existing=True)).one()


def test_the_secret_is_shown_once(hq):
    made = post(hq, PAGE, FORM)
    secret = SECRET.search(made.text)[0]

    assert made.status_code == 201
    assert secret == endpoint().secret
    assert endpoint().kinds == FORM["kinds"]
    for path in (PAGE, f"{PAGE}/{endpoint().id}"):
        page = hq.get(path).text
        assert "https://crm.example/hooks" in page
        assert secret not in page


def test_an_address_within_is_refused_and_what_was_typed_stays(hq):
    page = post(hq, PAGE, FORM | {"url": "https://127.0.0.1/x"})

    assert page.status_code == 422
    assert 'value="https://127.0.0.1/x"' in page.text
    assert webhooks.WebhookAddressInvalid().say("zh") in page.text


def test_it_is_edited_and_a_mistake_changes_nothing(hq):
    post(hq, PAGE, FORM)
    path = f"{PAGE}/{endpoint().id}"
    assert post(hq, path, FORM | {"name": "数据"}).status_code == 302
    assert post(hq, path, FORM | {"name": ""}).status_code == 422

    assert endpoint().name == "数据"


def test_a_new_secret_is_shown_and_the_last_one_stands_by(hq):
    post(hq, PAGE, FORM)
    before = endpoint().secret
    page = post(hq, f"{PAGE}/{endpoint().id}/secret")

    assert SECRET.search(page.text)[0] == endpoint().secret != before
    assert endpoint().previous_secret == before


def test_a_test_is_sent_and_its_answer_stands_on_the_page(hq, chain):
    with partner() as them:
        listen(chain, them.url)
        post(hq, f"{PAGE}/{endpoint().id}/test")
        them.answer = lambda _call: 418
        call_out(now=messages()[0].due_at)
        page = hq.get(f"{PAGE}/{endpoint().id}?lang=en").text

    assert ">418<" in page
    assert "Pending" in page


def test_it_is_disabled_enabled_and_removed(hq, chain):
    post(hq, PAGE, FORM)
    path = f"{PAGE}/{endpoint().id}"
    with transaction():
        webhooks.send_test(chain.id, endpoint().id, now=NOON)
    assert post(hq, f"{path}/remove").status_code == 409
    post(hq, f"{path}/disable")
    assert (endpoint().disabled_because, messages()[0].state) == ("staff", "failed")
    assert post(hq, f"{path}/test").status_code == 409
    post(hq, f"{path}/enable")
    assert endpoint().disabled_at is None
    post(hq, f"{path}/disable")
    post(hq, f"{path}/remove")

    assert list(webhooks.list_endpoints(chain.id)) == []
    assert hq.get(path).status_code == 404


def test_every_change_is_written_down(hq):
    post(hq, PAGE, FORM)
    path = f"{PAGE}/{endpoint().id}"
    for what in ("secret", "disable", "enable", "disable", "remove"):
        post(hq, f"{path}/{what}")
    page = hq.get("/dashboard/settings/changes?lang=en").text

    for words in ("Endpoint added", "renewed", "Endpoint disabled", "Endpoint enabled", "Endpoint removed"):
        assert words in page


def test_an_analyst_and_a_manager_have_no_part_in_it(client, chain):
    for role, stores in ((Role.HQ_ANALYST, ()), (Role.STORE_MANAGER, (make_store(chain),))):
        sign_in(client, make_staff(chain, role, stores))
        assert client.get(PAGE).status_code in (403, 404)


def test_the_api_gives_the_secret_once_and_repeats_it_to_whoever_lost_the_answer(client, chain):
    headers = {"Authorization": f"Bearer {make_key(chain)}", "Idempotency-Key": "crm-000001"}
    made = [client.post("/api/v1/webhook-endpoints", json=FORM, headers=headers) for _ in range(2)]

    assert [answer.status_code for answer in made] == [201, 201]
    assert made[0].json == made[1].json == {"id": endpoint().id, "secret": endpoint().secret}
    del headers["Idempotency-Key"]
    (listed,) = client.get("/api/v1/webhook-endpoints", headers=headers).json
    assert (listed["url"], "secret" in listed) == (FORM["url"], False)
