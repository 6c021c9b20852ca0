"""Head office's settings: what is saved, what is refused, what is written down."""

import ast
import re

import pytest
from sqlalchemy import select

from app.config import ROOT
from app.dashboard.change_words import ACTIONS, OBJECTS
from cards.models import Tier
from checkout import policies as till_policies
from core.audit import AuditEntry
from core.db import db
from coupons import approval
from push.timing import policies as push_policies
from sharing import policies as sharing_policies
from stores.models import Chain, Role
from tests.factories import make_card, make_chain, make_offer, make_staff, make_store, make_store_code, program_of
from tests.pages import post, sign_in

ACTION = re.compile(r"[a-z]+( [a-z]+){1,2}")
BRAND = {
    "name": "雪山",
    "name_en": "Snow",
    "timezone": "Asia/Tokyo",
    "cutoff_hour": "4",
    "accent": "#112233",
    "language": "en",
}
CARD = {
    "name": "白金卡",
    "name_en": "Platinum",
    "benefits": "一\r\n二",
    "benefits_en": "one",
    "terms": "条款",
    "terms_en": "terms",
    "face_color": "#112233",
    "face_pattern": "peaks",
    "code_mode": "static",
    "points_per_unit": "3",
}


@pytest.fixture
def chain(app):
    return make_chain()


@pytest.fixture
def hq(client, chain):
    return sign_in(client, make_staff(chain))


def newest() -> AuditEntry:
    return db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1)).one()


def tiers(chain) -> list[tuple]:
    columns = (Tier.name, Tier.discount_bp, Tier.points_multiplier_bp, Tier.threshold_points)
    return [tuple(row) for row in db.session.execute(select(*columns).order_by(Tier.rank))]


def test_the_brand_is_changed_and_the_change_is_written_down(hq, chain):
    assert post(hq, "/dashboard/settings", BRAND).status_code == 302

    kept = db.session.get_one(Chain, chain.id, populate_existing=True)
    assert (kept.name, kept.timezone, kept.cutoff_hour, kept.accent) == ("雪山", "Asia/Tokyo", 4, "#112233")
    assert (newest().action, newest().before["name"], newest().after["name"]) == ("chain changed", "雪山冰品", "雪山")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": " "}, "请把中英文名称都写上"),
        ({"name": "雪" * 81}, "名称太长：中文最多 80 字"),
        ({"name_en": "x" * 81}, "英文最多 80 字"),
        ({"timezone": "Mars/Olympus"}, "不是已知的时区"),
        ({"cutoff_hour": "13"}, "营业日要在"),
        ({"cutoff_hour": "four"}, "这不是一个数字：four"),
        ({"accent": "red"}, "颜色要写成"),
        ({"language": "fr"}, "提交的内容有误"),
    ],
)
def test_a_brand_that_makes_no_sense_is_refused_with_its_reason(hq, chain, change, words):
    page = post(hq, "/dashboard/settings", BRAND | change)

    assert (page.status_code, words in page.text) == (422, True)
    assert db.session.get_one(Chain, chain.id, populate_existing=True).name == "雪山冰品"


def test_saving_the_same_writes_nothing_down(hq, chain):
    before = newest().id
    post(
        hq,
        "/dashboard/settings",
        BRAND
        | {"name": chain.name, "name_en": chain.name_en, "timezone": chain.timezone}
        | {"cutoff_hour": "0", "accent": chain.accent, "language": "zh"},
    )

    assert newest().id == before


def test_the_card_is_changed(hq, chain):
    assert post(hq, "/dashboard/settings/card", CARD).status_code == 302

    program = program_of(chain)
    db.session.refresh(program)
    assert (program.name, program.benefits, program.code_mode, program.points_per_unit) == (
        "白金卡",
        "一\n二",
        "static",
        3,
    )
    assert "白金卡" in hq.get("/dashboard/settings/card").text


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "雪" * 41},
        {"name_en": "x" * 61},
        {"face_color": "x"},
        {"face_pattern": "stars"},
        {"points_per_unit": "-1"},
    ],
    ids=repr,
)
def test_a_card_that_makes_no_sense_is_refused(hq, chain, change):
    assert post(hq, "/dashboard/settings/card", CARD | change).status_code == 422


def rows(*lines: str) -> dict[str, list[str]]:
    cells = [line.split(",") for line in lines]
    names = ("name", "name_en", "discount", "multiplier", "threshold")
    return {name: [row[column] for row in cells] for column, name in enumerate(names)}


def test_tiers_are_changed_added_and_taken_away(hq, chain):
    post(
        hq,
        "/dashboard/settings/tiers",
        rows("普卡,Basic,0,1,0", "金卡,Gold,7.5,1.5,800", "黑卡,Black,10,2,5000", ",,,,"),
    )
    grown = tiers(chain)
    post(hq, "/dashboard/settings/tiers", rows("普卡,Basic,0,1,0", ",,,,", ",,,,"))

    assert grown == [("普卡", 0, 10_000, 0), ("金卡", 750, 15_000, 800), ("黑卡", 1000, 20_000, 5000)]
    assert tiers(chain) == [("普卡", 0, 10_000, 0)]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("A,A,0,1,0", "B,B,5,1,0"), "一级比一级高"),
        (("A,A,0,1,10",), "一级比一级高"),
        (("A,A,101,1,0",), "优惠在 0 到 100%"),
        (("A,,5,1,0",), "中英文名称"),
        ((f"{'金' * 21},A,5,1,0",), "名称太长：中文最多 20 字"),
        ((f"A,{'x' * 31},5,1,0",), "英文最多 30 字"),
        (("A,A,x,1,0",), "这不是一个数字"),
        (("A,A,5.123,1,0",), "这不是一个数字"),
        ((",,,,",), "1 到 8 个等级"),
    ],
)
def test_tiers_that_make_no_sense_are_refused(hq, chain, lines, words):
    before = tiers(chain)

    page = post(hq, "/dashboard/settings/tiers", rows(*lines))
    assert (page.status_code, words in page.text) == (422, True)
    assert tiers(chain) == before


def test_a_tier_on_which_members_stand_stays(hq, chain):
    card = make_card(make_store_code(make_store(chain)))
    top = db.session.scalars(select(Tier).order_by(Tier.rank.desc()).limit(1)).one()
    card.tier_id = top.id
    db.session.commit()

    assert post(hq, "/dashboard/settings/tiers", rows("A,A,0,1,0")).status_code == 422
    assert len(tiers(chain)) == 2


def test_a_tier_that_an_offer_is_for_stays(hq, chain):
    top = db.session.scalars(select(Tier).order_by(Tier.rank.desc()).limit(1)).one()
    make_offer(chain, tier_ids=(top.id,))

    page = post(hq, "/dashboard/settings/tiers?lang=en", rows("A,A,0,1,0"))

    assert (page.status_code, "offers for it only" in page.text) == (422, True)
    assert len(tiers(chain)) == 2


def spend_rows(*lines: str) -> dict[str, list[str]]:
    return rows(*lines) | {"threshold_spend": [line.split(",")[5] for line in lines]}


def test_tiers_may_go_by_what_was_paid(hq, chain):
    form = spend_rows("普卡,Basic,0,1,0,0", "金卡,Gold,5,1,0,2000", "黑卡,Black,10,2,0,8000.5") | {"tier_by": "spend"}

    assert post(hq, "/dashboard/settings/tiers", form).status_code == 302

    db.session.expire_all()
    assert program_of(chain).tier_by == "spend"
    assert list(db.session.scalars(select(Tier.threshold_cents).order_by(Tier.rank))) == [0, 200_000, 800_050]
    assert 'value="8000.5"' in hq.get("/dashboard/settings/tiers").text


def test_the_order_of_tiers_is_asked_of_what_carries_up(hq, chain):
    lines = ("普卡,Basic,0,1,0,0", "金卡,Gold,5,1,800,0")

    assert post(hq, "/dashboard/settings/tiers", spend_rows(*lines) | {"tier_by": "spend"}).status_code == 422
    assert program_of(chain).tier_by == "points"
    assert post(hq, "/dashboard/settings/tiers", spend_rows(*lines) | {"tier_by": "points"}).status_code == 302


def test_points_are_given_a_worth_and_lose_it_again(hq, chain):
    tier = rows("普卡,Basic,0,1,0")
    post(hq, "/dashboard/settings/tiers", tier | {"spend_points": "100", "spend_amount": "1"})
    db.session.expire_all()
    worth = (program_of(chain).spend_points, program_of(chain).spend_cents)
    page = hq.get("/dashboard/settings/tiers").text
    noted = db.session.scalars(select(AuditEntry).filter_by(action="program changed")).one()
    post(hq, "/dashboard/settings/tiers", tier | {"spend_points": "", "spend_amount": ""})
    db.session.expire_all()

    assert worth == (100, 100)
    assert "收银时每 100 积分抵1元，相当于返还消费额的 1%。" in page
    assert noted.after == {"spend_points": 100, "spend_cents": 100}
    assert program_of(chain).spend_points is None


@pytest.mark.parametrize(
    "worth",
    [
        {"spend_points": "100", "spend_amount": ""},
        {"spend_points": "0", "spend_amount": "1"},
        {"spend_points": "100", "spend_amount": "-1"},
        {"spend_points": "x", "spend_amount": "1"},
        {"tier_by": "luck"},
    ],
)
def test_a_worth_that_makes_no_sense_is_refused(hq, chain, worth):
    assert post(hq, "/dashboard/settings/tiers", rows("普卡,Basic,0,1,0") | worth).status_code == 422
    assert (program_of(chain).spend_points, program_of(chain).tier_by) == (None, "points")


def test_the_form_is_said_in_plain_words_while_it_is_filled_in(hq, chain):
    query = {"tier_by": "spend", "spend_points": "200", "spend_amount": "1"} | spend_rows("金卡,Gold,5,1.5,0,2000")

    zh = hq.get("/dashboard/settings/tiers/preview", query_string=query).text
    en = hq.get("/dashboard/settings/tiers/preview", query_string=query | {"lang": "en"}).text
    wrong = hq.get(
        "/dashboard/settings/tiers/preview", query_string=query | {"spend_points": "viel", "lang": "zh"}
    ).text

    assert "金卡：累计消费满2,000元起，会员价 95 折，1.5 倍积分。" in zh
    assert "Gold: from ¥2,000 paid in all: Member price, 5% off, 1.5 times the points." in en
    assert "200 points take ¥1 off at the till: 0.5% of what was paid comes back." in en
    assert "这不是一个数字：viel" in wrong


def test_the_sharing_rules_are_changed(hq, chain):
    post(hq, "/dashboard/settings/sharing", {"window_days": "30", "store_code_wins": "yes"})

    db.session.expire_all()
    assert sharing_policies.get_policy(chain.id) == (30, True)
    assert post(hq, "/dashboard/settings/sharing", {"window_days": "91"}).status_code == 422


def test_the_push_rules_are_changed(hq, chain):
    fields = {"quiet_from": "22", "quiet_until": "8", "cap_per_day": "2", "cap_per_week": "5"}
    post(hq, "/dashboard/settings/push", fields)

    db.session.expire_all()
    assert push_policies.get_policy(chain.id) == (22, 8, 2, 5)
    assert post(hq, "/dashboard/settings/push", fields | {"cap_per_week": "1"}).status_code == 422


def test_a_store_manager_finds_his_staff_behind_settings(app, chain):
    manager = sign_in(app.test_client(), make_staff(chain, Role.STORE_MANAGER, (make_store(chain),)))

    assert manager.get("/dashboard/settings").location == "/dashboard/staff"
    assert manager.get("/dashboard/settings/card").status_code == 403


def test_changes_page_by_key_and_name_who_did_them(hq, chain):
    for number in range(60):
        post(hq, "/dashboard/settings", BRAND | {"language": "zh", "cutoff_hour": str(number % 2)})

    first = hq.get("/dashboard/settings/changes").text
    older = re.search(r"/dashboard/settings/changes\?before=\d+", first)[0]
    rest = hq.get(older).text
    assert (first.count("修改品牌"), rest.count("修改品牌")) == (50, 10)
    assert "王小雪" in first


def actions_in_code() -> set[str]:
    """Texts such as "offer created" in modules that write to the audit."""
    kinds = {action.split()[0] for action in ACTIONS}
    found = set()
    for package in ("stores", "cards", "coupons", "checkout", "sharing", "push", "app/reports"):
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if "audit" in text:
                words = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
                found |= {word for word in words if isinstance(word, str) and ACTION.fullmatch(word)}
    return {word for word in found if word.split()[0] in kinds}


def test_every_change_has_its_words():
    assert actions_in_code() - set(ACTIONS) == set()


def test_every_object_of_a_change_has_its_word():
    kinds = set()
    for package in ("stores", "cards", "coupons", "checkout", "sharing", "push", "app"):
        for path in (ROOT / package).rglob("*.py"):
            kinds |= set(re.findall(r'object_kind="([a-z_]+)"', path.read_text(encoding="utf-8")))

    assert kinds
    assert kinds - set(OBJECTS) == set()


def test_every_page_is_there_in_english_too(hq):
    pages = ["", "/card", "/tiers", "/till", "/sharing", "/push", "/changes"]

    assert all("Settings" in hq.get(f"/dashboard/settings{page}?lang=en").text for page in pages)


TILL = {
    "clerk_window": "2",
    "clerk_unit": "hours",
    "clerk_same_day": "yes",
    "clerk_most": "50",
    "store_manager_window": "7",
    "store_manager_unit": "days",
    "store_manager_most": "",
    "hq_admin_window": "0",
    "hq_admin_unit": "minutes",
    "hq_admin_most": "0",
}


def test_the_rules_of_the_till_begin_as_every_chains_do(hq):
    page = hq.get("/dashboard/settings/till").text

    assert "30 分钟内（限当个营业日）可自行撤销；退款要店长 PIN。" in page
    assert "不限金额" in page


def test_the_rules_of_the_till_are_changed_and_written_down(hq, chain):
    assert post(hq, "/dashboard/settings/till", TILL).status_code == 302

    db.session.expire_all()
    kept = till_policies.list_policies(chain.id)
    assert kept[Role.CLERK] == (120, True, 5000)
    assert kept[Role.STORE_MANAGER] == (7 * 1440, False, None)
    assert kept[Role.HQ_ADMIN] == (0, False, 0)
    noted = db.session.scalars(select(AuditEntry).filter_by(action="till policy changed").order_by(AuditEntry.id)).all()
    assert {entry.after["role"] for entry in noted} == {"clerk", "store_manager", "hq_admin"}
    assert "修改收银规则" in hq.get("/dashboard/settings/changes").text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"clerk_window": "-1"}, "时限为 0 到 525600 分钟"),
        ({"clerk_window": "9999999", "clerk_unit": "minutes"}, "时限为 0 到 525600 分钟"),
        ({"clerk_window": "soon"}, "这不是一个数字：soon"),
        ({"clerk_most": "-1"}, "退款上限不能小于零"),
        ({"store_manager_most": "x"}, "这不是一个数字：x"),
    ],
)
def test_rules_of_the_till_that_make_no_sense_are_refused_whole(hq, chain, change, words):
    page = post(hq, "/dashboard/settings/till", TILL | change)

    assert (page.status_code, words in page.text) == (422, True)
    assert till_policies.list_policies(chain.id) == till_policies.DEFAULTS


def test_the_rules_of_the_till_are_said_while_they_are_typed(hq):
    zh = hq.get("/dashboard/settings/till/preview", query_string=TILL).text
    en = hq.get("/dashboard/settings/till/preview", query_string=TILL | {"lang": "en"}).text

    assert "每笔最多退50元" in zh
    assert "undoes within 2 hours on the same business day, and refunds up to ¥50 of a sale." in en
    assert "undoes and refunds nothing without a PIN." in en


def test_offers_may_be_made_to_wait_for_a_second_person(hq, chain):
    post(hq, "/dashboard/settings/till/offers", {"needs_approval": "yes"})
    db.session.expire_all()
    needed = approval.needs_approval(chain.id)
    post(hq, "/dashboard/settings/till/offers", {})
    db.session.expire_all()

    assert (needed, approval.needs_approval(chain.id)) == (True, False)
    assert newest().action == "offer approval setting"


def test_only_administrators_change_the_rules_of_the_till(app, chain):
    manager = sign_in(app.test_client(), make_staff(chain, Role.STORE_MANAGER, (make_store(chain),)))

    assert manager.get("/dashboard/settings/till").status_code == 403
    assert post(manager, "/dashboard/settings/till", TILL).status_code == 403
