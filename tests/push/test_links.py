"""Short links: what stands in them, which addresses get one, and what following one writes."""

from types import SimpleNamespace

import pytest

from core.db import db, transaction
from core.hot import one_action
from push.audiences import consents
from push.models import Delivery
from push.wording import links
from push.wording.clicking import count_click, find_target
from push.wording.links import ShortLinks, Way, prepare_batch, shortened
from push.wording.models import CampaignLink, Click
from push.wording.texts import Words
from tests.concurrency.racing import race
from tests.factories import NOON, in_days, make_chain, make_store, make_store_code
from tests.push.pushing import deliveries, make_campaign, make_member, send_all, start

SHORT = ShortLinks("https://cards.example/", "s" * 40)
WALLET = "https://cards.example/wallet/inbox"
SHOP = "https://shop.example/ice?a=1&b=2"


# --- tokens


@pytest.mark.parametrize("way", [Way(1, 1), Way(127, 128), Way(2**40, 7), Way(2**63 - 1, 2**31)])
def test_a_token_says_which_delivery_and_address(way):
    assert SHORT.read(SHORT.token(way)) == way


def test_a_usual_token_is_short():
    assert len(SHORT.token(Way(1_000_000, 1_000))) <= 20


def test_a_changed_token_is_none_of_ours():
    token = SHORT.token(Way(1_000_000, 17))

    for at, letter in enumerate(token):
        for other in "Aa0_-":
            if other != letter:
                assert SHORT.read(token[:at] + other + token[at + 1 :]) is None
    assert {SHORT.read(each) for each in ("", "A", token + "=", token + "A", token[:-1], "é" * 20, "A" * 400)} == {None}
    assert ShortLinks("https://cards.example", "t" * 40).read(token) is None


# --- which addresses


@pytest.mark.parametrize(
    ("url", "may"),
    [
        (SHOP, True),
        (WALLET, True),
        ("https://shop.example/{name}", False),
        ("https://cards.example/l/AAAA", False),
        ("https://CARDS.example/u/AAAA", False),
        ("https://other.example/u/AAAA", True),
        ("https://shop.example/" + "a" * 500, False),
        ("https://[", False),
    ],
)
def test_some_addresses_stay_as_they_are(url, may):
    assert SHORT.may_shorten(url) is may


def test_addresses_are_found_in_text_and_html():
    words = Words(
        "看 https://a.example/x，快来",
        f"看看{SHOP}。再见 (https://b.example/y). {{link}}",
        f'<p><a title="t" href="{SHOP.replace("&", "&amp;")}">https://a.example/x</a><a href="mailto:a@b.c">m</a></p>',
    )

    said = shortened(words, lambda url: f"[{url}]")

    assert said.title == "看 [https://a.example/x]，快来"
    assert said.body == f"看看[{SHOP}]。再见 ([https://b.example/y]). {{link}}"
    assert said.html == (
        f'<p><a title="t" href="[{SHOP.replace("&", "&amp;")}]">https://a.example/x</a><a href="mailto:a@b.c">m</a></p>'
    )


def test_the_parts_of_a_text_are_the_text():
    text = "a https://b.example/c, d https://e.example/?f=(g) 中文https://h.example/中文"

    assert "".join(part for part, _ in links.pieces(text)) == text
    assert [part for part, is_address in links.pieces(text) if is_address] == [
        "https://b.example/c",
        "https://e.example/?f=(g",
        "https://h.example/",
    ]


# --- written down once


@pytest.fixture
def sent(app):
    """Two members who were sent a message with an address in it; the second wants no measurement."""
    code = make_store_code(make_store(make_chain()))
    chain_id = code.chain_id
    for _ in range(2):
        make_member(code)
    campaign = make_campaign(SimpleNamespace(id=chain_id), "inbox", body=f"看 {SHOP}")
    start(campaign)
    send_all()
    first, second = deliveries(campaign)
    with transaction():
        consents.say_measurement(second.member_id, is_granted=False, source="test", now=NOON)
    return first, second


def rows_of(*sent):
    from push.runs import list_runs

    run = list_runs(sent[0].chain_id, sent[0].campaign_id)[0]
    words = {name: getattr(run, name) for name in ("title", "title_en", "body", "body_en", "texts")}
    fields = ("id", "run_id", "campaign_id", "chain_id", "member_id")
    return [SimpleNamespace(**{field: getattr(each, field) for field in fields}, **words) for each in sent]


def test_no_member_puts_an_address_of_his_own_into_a_message(app):
    code = make_store_code(make_store(chain := make_chain()))
    make_member(code, email="a@example.com", name="小雪 https://evil.example/x 奖品", language="zh")
    start(make_campaign(chain, "email", title="{name}您好", body="{name}，见 https://snowpeak.example/menu"))

    (message,) = send_all()["email"].sent

    assert message.title == "小雪 奖品您好"
    assert "evil" not in message.body


def test_an_address_is_written_down_once_for_its_campaign(sent):
    rows = rows_of(*sent)
    for _ in range(2):
        shortener = prepare_batch(rows, SHORT, wallet=WALLET)

    kept = {link.url: link.id for link in db.session.scalars(db.select(CampaignLink))}
    assert set(kept) == {SHOP, WALLET}
    token = shortener.of(rows[0])(SHOP).removeprefix("https://cards.example/l/")
    assert SHORT.read(token) == Way(sent[0].id, kept[SHOP])


def test_who_wants_no_measurement_gets_the_addresses_as_they_are(sent):
    rows = rows_of(*sent)

    shorten = prepare_batch(rows, SHORT, wallet=WALLET).of(rows[1])

    assert (shorten(SHOP), shorten(WALLET)) == (SHOP, WALLET)


def test_an_address_that_is_not_the_campaigns_stays_as_it_is(sent):
    rows = rows_of(*sent)

    assert prepare_batch(rows, SHORT, wallet=WALLET).of(rows[0])("https://evil.example/") == "https://evil.example/"


def test_two_workers_write_an_address_down_once(app, sent):
    rows = rows_of(*sent)

    race(app, lambda _: str(prepare_batch(rows, SHORT, wallet=WALLET)), racers=6)

    db.session.commit()
    assert db.session.scalar(db.select(db.func.count(CampaignLink.id))) == 2


# --- following


def click(way, now=NOON):
    with one_action() as hot:
        return count_click(hot, way, now=now)


def way_to_shop(sent, which=0):
    prepare_batch(rows_of(*sent), SHORT, wallet=WALLET)
    return Way(sent[which].id, db.session.scalars(db.select(CampaignLink.id).filter_by(url=SHOP)).one())


def only_click():
    db.session.commit()
    (found,) = db.session.scalars(db.select(Click).execution_options(populate_existing=True))
    return found


def test_a_link_leads_to_its_address(sent):
    way = way_to_shop(sent)

    assert find_target(way).url == SHOP
    assert find_target(way._replace(link_id=way.link_id + 10)) is None
    assert find_target(way._replace(delivery_id=way.delivery_id + 10)) is None


def test_an_address_of_another_campaign_leads_nowhere(sent):
    other = make_campaign(SimpleNamespace(id=sent[0].chain_id), "inbox")
    way_to_shop(sent)
    with transaction():
        foreign = CampaignLink(chain_id=sent[0].chain_id, campaign_id=other.id, url="https://evil.example/")
        db.session.add(foreign)
        db.session.flush()
        way = Way(sent[0].id, foreign.id)

    assert find_target(way) is None
    assert click(way) is False


def test_clicks_are_counted_with_their_first_and_last_time(sent):
    way = way_to_shop(sent)

    for at in (NOON, in_days(2), in_days(1)):
        assert click(way, now=at) is True

    found = only_click()
    assert (found.count, found.first_at, found.last_at) == (3, NOON, in_days(2))
    assert (found.campaign_id, found.chain_id) == (sent[0].campaign_id, sent[0].chain_id)


def test_a_click_says_that_the_message_was_opened_first_then(sent):
    way = way_to_shop(sent)
    click(way, now=in_days(1))
    click(way, now=in_days(2))

    db.session.commit()
    opened = db.session.scalars(db.select(Delivery.read_at).order_by(Delivery.id)).all()
    assert opened == [in_days(1), None]


def test_nothing_is_noted_of_who_wants_no_measurement(sent):
    assert click(way_to_shop(sent, 1)) is False

    db.session.commit()
    assert db.session.scalars(db.select(Click)).all() == []
    assert db.session.scalars(db.select(Delivery.read_at)).all() == [None, None]


def test_many_taps_at_once_are_all_counted(app, sent):
    way = way_to_shop(sent)

    results = race(app, lambda _: str(click(way)), racers=8)

    assert set(results) == {"True"}
    assert only_click().count == len(results)
