"""Whoever opens links and store codes over HTTP: only persons leave a trace, and reading leaves none."""

import pytest
from sqlalchemy import func, select

from core.clock import utc_now
from core.db import db
from core.hot import one_action
from sharing import linking
from sharing.models import Referral, ShareVisit, ShareVisitor
from stores.models import Scan, ScanVisitor
from tests import pages
from tests.factories import make_card, make_chain, make_store, make_store_code, make_wallet
from tests.sharing.test_previews import CHROME, LOOKING_AHEAD, PERSONS, PREVIEWS, TOOLS

pytestmark = pytest.mark.usefixtures("app")
MACHINES = {
    name: {"User-Agent": agent} for name, agent in (PREVIEWS | {f"tool: {n}": a for n, a in TOOLS.items()}).items()
}
MACHINES |= {f"{name}: {value}": {"User-Agent": CHROME, name: value} for name, value in LOOKING_AHEAD}
LEFT = (ShareVisit, ShareVisitor, Scan, ScanVisitor)


@pytest.fixture
def code():
    return make_store_code(make_store(make_chain()))


@pytest.fixture
def link(code):
    card = make_card(code, wallet_id=make_wallet("the sharer's"))
    with one_action() as hot:
        return linking.create_link(hot, card.chain_id, card.id, "group", now=utc_now())


def left() -> list[int]:
    return [db.session.scalar(select(func.count()).select_from(model)) for model in LEFT]


def test_no_machine_counts_however_it_comes(app, code, link):
    """By opening the pages, and by running their scripts."""
    for name, headers in MACHINES.items():
        machine = app.test_client()
        machine.get(f"/s/{link.token}", headers=headers)
        machine.get(f"/q/{code.token}", headers=headers)
        answers = [
            pages.post(machine, f"/s/{link.token}/visit", headers=headers).status_code,
            pages.post(machine, f"/q/{code.token}/scan", headers=headers).status_code,
        ]
        assert answers == [204, 204], name

        assert left() == [0, 0, 0, 0], name


def test_every_person_counts_once(app, code, link):
    for agent in PERSONS.values():
        person, headers = app.test_client(), {"User-Agent": agent}
        for _ in range(2):
            pages.post(person, f"/s/{link.token}/visit", headers=headers)
            pages.post(person, f"/q/{code.token}/scan", headers=headers)

    assert left() == [len(PERSONS)] * 4


def test_reading_a_page_and_asking_for_its_head_leaves_nothing(app, code, link):
    person = app.test_client()
    for path in (f"/s/{link.token}", f"/q/{code.token}"):
        for method in ("GET", "HEAD"):
            assert person.open(path, method=method, headers={"User-Agent": CHROME}).status_code == 200

    assert left() == [0, 0, 0, 0]


def test_a_preview_before_the_friend_credits_nobody(app, code, link):
    """The messenger opens the link, the friend never does and takes a card in the store."""
    phone = app.test_client()
    pages.post(phone, f"/s/{link.token}/visit", headers={"User-Agent": PREVIEWS["imessage"]})

    pages.post(phone, f"/q/{code.token}", headers={"User-Agent": PERSONS["safari"]})

    assert db.session.scalar(select(func.count(Referral.id))) == 0


def test_the_friend_who_opened_it_and_takes_a_card_in_the_store_is_the_sharers(app, code, link):
    phone, headers = app.test_client(), {"User-Agent": PERSONS["safari"]}
    pages.post(phone, f"/s/{link.token}/visit", headers=headers)

    pages.post(phone, f"/q/{code.token}", headers=headers)

    assert db.session.scalars(select(Referral.share_link_id)).all() == [link.id]
