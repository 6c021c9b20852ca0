"""The page of a campaign's effect: what it says first, and to whom it says anything."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from flask import g

from app.dashboard.pushes import effect, effect_words
from core.clock import utc_now
from core.intervals import Sample
from push.effects.effect import Against, Comparison, Effect, Group
from stores.models import Role
from tests.factories import make_chain, make_staff, make_store, make_store_code
from tests.pages import sign_in
from tests.push.pushing import make_campaign, make_member, send_all, start


def group_of(spent):
    buyers = sum(each > 0 for each in spent)
    return Group(len(spent), buyers, 0, Sample(len(spent), sum(spent), float(sum(each * each for each in spent))))


ALIKE = [0, 0, 500] * 200
MORE = [0, 500, 500] * 200
RARELY_MUCH = [0] * 590 + [15_000] * 10
FEW = [0, 500] * 20


NO_EFFECT = "No effect shown: what those told spent and bought differs no more than by chance."
SPENT = "Everyone who was told spent ¥1.67 {}: ¥1,000.00 in all, between ¥839.67 and ¥1,160.33."
BOUGHT = "33% of those told bought something, and 1.7% of those held out; what each spent shows no effect."
TOO_FEW = "Too few to say what it caused: 40 were told and 600 held out; it takes 100 of each."
TOO_EARLY = "Too early to say what it caused: the first days are over on 27 May."
NOBODY = "Nobody was held out, so what it caused cannot be told."


@pytest.mark.parametrize(
    ("told", "held", "against", "sentence"),
    [
        pytest.param(ALIKE, ALIKE, Against.CAMPAIGN, NO_EFFECT, id="alike"),
        pytest.param(MORE, ALIKE, Against.CAMPAIGN, SPENT.format("more"), id="more"),
        pytest.param(ALIKE, MORE, Against.CAMPAIGN, SPENT.format("less"), id="less"),
        pytest.param(ALIKE, RARELY_MUCH, Against.CAMPAIGN, BOUGHT, id="more buyers"),
        pytest.param(FEW, ALIKE, Against.CHAIN, TOO_FEW, id="few"),
        pytest.param([], [], Against.CAMPAIGN, TOO_EARLY, id="early"),
        pytest.param(ALIKE, [], Against.NOBODY, NOBODY, id="nobody held out"),
    ],
)
def test_what_is_said_first(app, told, held, against, sentence):
    chain, found = make_chain(), Comparison(7, group_of(told), group_of(held))
    measured = Effect(against, {}, {}, None)

    with app.test_request_context("/?lang=en"):
        g.chain, g.actor = chain, SimpleNamespace(chain_id=chain.id)
        assert effect_words.sentence(measured, found, "27 May") == sentence


@pytest.fixture
def campaign(app):
    """Two members were told today."""
    chain, now = make_chain(), utc_now()
    code = make_store_code(make_store(chain))
    for _ in range(2):
        make_member(code, now=now - timedelta(days=1))
    made = make_campaign(chain)
    start(made, now=now)
    send_all(now=now)
    return SimpleNamespace(chain=chain, path=f"/dashboard/campaigns/{made.id}/effect", id=made.id)


@pytest.mark.parametrize(("language", "words"), [("en", "Nobody was held out"), ("zh", "没有留出会员")])
def test_without_a_holdout_it_says_so_in_both_languages(client, campaign, language, words):
    sign_in(client, make_staff(campaign.chain, Role.HQ_ANALYST))

    page = client.get(f"{campaign.path}?lang={language}").text

    assert words in page
    assert ">2</span>" in page  # sent


def test_before_it_goes_out_it_says_what_will_stand_there(client, app):
    chain = make_chain()
    draft = make_campaign(chain)
    sign_in(client, make_staff(chain))

    page = client.get(f"/dashboard/campaigns/{draft.id}/effect?lang=en").text

    assert "once it has gone out" in page


@pytest.mark.parametrize("asked", ["days=7", "days=x", "days=365", "run=1", "run=0", "run=x", "run=987654321987654321"])
def test_whatever_is_asked_it_answers(client, campaign, asked):
    sign_in(client, make_staff(campaign.chain))

    assert client.get(f"{campaign.path}?{asked}").status_code == 200


def test_where_there_is_much_to_count_the_page_stands_first(client, campaign, monkeypatch):
    monkeypatch.setattr(effect, "AT_ONCE", 1)
    sign_in(client, make_staff(campaign.chain))

    first = client.get(f"{campaign.path}?lang=en").text
    figures = client.get(f"{campaign.path}/figures?lang=en").text
    whole = client.get(f"{campaign.path}?lang=en&whole=1").text

    assert "Counting many members" in first
    assert f'hx-get="{campaign.path}/figures?days=1"' in first
    assert "Nobody was held out" not in first
    assert "Nobody was held out" in figures
    assert "<html" not in figures
    assert "Nobody was held out" in whole


def test_its_page_leads_there(client, campaign):
    sign_in(client, make_staff(campaign.chain))

    assert f'href="{campaign.path}"' in client.get(f"/dashboard/campaigns/{campaign.id}").text


def test_a_manager_and_another_chain_do_not_see_it(client, app, campaign):
    store = make_store(campaign.chain)
    sign_in(client, make_staff(campaign.chain, Role.STORE_MANAGER, (store,)))
    assert client.get(campaign.path).status_code == 403

    other = app.test_client()
    sign_in(other, make_staff(make_chain("elsewhere")))
    assert other.get(campaign.path).status_code == 404
