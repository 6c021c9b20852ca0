"""What the audit kept, as the page of changes says it."""

from dataclasses import fields

import pytest
from flask import g

from app.auth.guard import Actor
from app.dashboard.change_values import NAMES, changed, value_words
from cards.programs import NewTier, PointRules, ProgramSettings
from core.audit import SYSTEM, AuditEntry, note
from core.db import db, transaction
from coupons import drafts
from push import campaigns
from push.timing import policies as push_policies
from sharing import policies as sharing_policies
from stores.chains import ChainSettings, NewChain
from stores.models import Role
from stores.store_files import FIELDS
from tests.factories import NOON, make_chain, make_offer, make_staff, make_store
from tests.pages import sign_in


@pytest.fixture
def chain(app):
    return make_chain()


@pytest.fixture(params=["zh", "en"])
def language(request):
    return request.param


@pytest.fixture
def reading(app, chain):
    """Somebody of head office reads in a language."""

    def read(language):
        context = app.test_request_context(f"/dashboard/settings/changes?lang={language}")
        context.push()
        g.actor = Actor("staff", 1, chain.id, Role.HQ_ADMIN)
        opened.append(context)

    opened = []
    yield read
    for context in opened:
        context.pop()


@pytest.mark.parametrize(
    ("name", "value", "zh", "en"),
    [
        ("name", "周五晚上见", "周五晚上见", "周五晚上见"),
        ("is_public", True, "是", "yes"),
        ("stock", 1200, "1,200", "1,200"),
        ("stock", None, "", ""),
        ("value_cents", 550, "¥5.50", "¥5.50"),
        ("percent_bp", 2050, "20.5%", "20.5%"),
        ("points_multiplier_bp", 15_000, "× 1.5", "× 1.5"),
        ("state", "voided", "已撤销", "Voided"),
        ("role", "clerk", "店员", "Clerk"),
        ("kind", "cash", "满减", "Money off"),
        ("channels", ["inbox", "email"], "卡包消息、电子邮件", "Wallet inbox, E-mail"),
        ("fields", ["name", "phone"], "称呼、手机", "name, phone"),
        ("fields", {"thing1": "{chain}"}, "thing1 = chain", "thing1 = chain"),
        ("texts", {"A": {"gateway": {"zh": {"template": "SMS_1"}}}}, "A: SMS_1", "A: SMS_1"),
        ("quiet_from", 21, "21:00", "21:00"),
        ("language", "zh", "中文", "中文"),
        ("audience", {"all": []}, "全体会员", "All members"),
        ("audience", {"all": [{"field": "last_visit", "op": "within_days", "value": 30}]}, "最近 30 天来过", "30 days"),
        (
            "schedule",
            {"kind": "recurring", "weekdays": ["fri"], "time": "17:30", "fresh_hours": 24},
            "每周五",
            "Friday",
        ),
        ("next_run_at", "2026-11-27T09:30:00+00:00", "11月27日 17:30", "27 Nov, 17:30"),
        ("valid_until", "2026-11-27T16:00:00+00:00", "11月27日", "27 Nov"),
        ("weekdays", 31, "周一至周五", "Monday to Friday"),
        ("hours", [[840, 1020]], "14:00", "14:00"),
        ("tiers", [{"name": "银卡", "discount_bp": 500, "threshold_points": 0}], "优惠 5%", "off 5%"),
        ("shown_as", "nobody", "“朋友”", "“a friend”"),
        ("channel", "moments", "朋友圈", "Moments"),
        ("share_link_id", 12_345, "12345", "12345"),
        ("referrer_id", 12_345, "12345", "12345"),
        ("unheard_of", {"inner_part": [1, 2]}, "inner part 1、2", "inner part 1, 2"),
        ("audience", {"all": [{"field": "moon"}]}, "moon", "moon"),  # as nobody keeps it any more
    ],
)
def test_a_kept_value_is_said_in_words(reading, chain, language, name, value, zh, en):
    reading(language)
    words = value_words(name, value, chain)

    assert {"zh": zh, "en": en}[language] in words
    assert bool(words) == (value is not None)
    assert not set(words) & set('{}[]"')


def test_stores_and_offers_are_called_by_their_names(reading, chain):
    store, other = make_store(chain, name="南京东路店"), make_store(make_chain("other"), name="别家")
    offer = make_offer(chain, name="满30减5")
    reading("zh")

    assert value_words("stores", [store.id, other.id], chain) == "南京东路店"
    assert value_words("offer_id", offer.id, chain) == "满30减5"


def test_what_stayed_as_it_was_is_not_told(reading, chain):
    entry = AuditEntry(
        before={"name": "冰", "stock": 5}, after={"name": "冰", "stock": 8, "state": "running", "min": 0}
    )
    reading("zh")

    assert [tuple(field) for field in changed(entry)] == [("库存", "5", "8"), ("状态", "", "进行中")]


def test_every_field_that_head_office_changes_has_a_name():
    forms = (drafts.Draft, campaigns.Draft, ProgramSettings, NewTier, PointRules, NewChain, ChainSettings)
    names = {field.name for form in forms for field in fields(form)} | set(FIELDS)
    names |= {*push_policies.Policy._fields, *push_policies.Oversight._fields, *sharing_policies.Policy._fields}

    assert names - set(NAMES) == set()


def test_the_page_shows_words_and_no_json(client, chain):
    with transaction():
        after = {"audience": {"all": []}, "schedule": {"kind": "now", "fresh_hours": 24}, "channels": ["inbox"]}
        note(
            "campaign created", chain_id=chain.id, object_kind="campaign", object_id=1, by=SYSTEM, at=NOON, after=after
        )
    sign_in(client, make_staff(chain))
    page = client.get("/dashboard/settings/changes?lang=zh").text

    assert "全体会员" in page
    assert "{&#34;" not in page
    assert "fresh_hours" not in page
    assert db.session.scalar(db.select(AuditEntry).filter_by(action="campaign created"))
