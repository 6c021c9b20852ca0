"""The builder of audiences: every rule tree goes into the form and comes out the same."""

from contextlib import suppress
from random import Random

import pytest
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from app.dashboard.pushes import condition_values
from app.dashboard.pushes.audience_form import EVERYONE, OWN, SAVED_ONE, AudienceForm, audience_of, fill_audience
from app.dashboard.pushes.condition_inputs import CHOICES, EVERYBODY
from cards.models import Program, Tier
from core.audit import SYSTEM
from core.db import db, transaction
from push.audiences.conditions import CONDITIONS
from push.audiences.saved_segments import create_segment
from push.audiences.segments import SAVED, check_audience
from push.errors import AudienceInvalid
from tests.factories import NOON, make_chain, make_offer, make_store
from tests.push.pushing import make_campaign

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def samples(chain):
    """A value of every condition."""
    store, offer, campaign = make_store(chain), make_offer(chain), make_campaign(chain, "inbox")
    tier = db.session.scalars(select(Tier.id).filter_by(chain_id=chain.id)).first()
    program = db.session.scalars(select(Program.id).filter_by(chain_id=chain.id)).first()
    with transaction():
        segment = create_segment(chain.id, "全部", {"all": []}, by=SYSTEM, now=NOON)
    special = {
        "store.in": [store.id], "store.within_km": {"store": store.id, "km": 3}, "tier.in": [tier],
        "place.within_km": {"latitude": 31.25, "longitude": -121.5, "km": 2}, "program.in": [program],
        "joined.after": "2026-05-01", "joined.before": "2026-05-02", "language.in": ["zh", "en"],
        "birthday.in_month": [1, 5], "address.has": "wechat", "card_state.in": ["active", "closed"],
        "consent.granted": "email", "brought.at_least": {"count": 2, "days": 30}, "segment.is": segment.id,
        "purchases.at_least": {"count": 1, "days": None}, "purchases.at_most": {"count": 0, "days": 30},
        "spend.at_least": {"cents": 5050, "days": 30}, "spend.at_most": {"cents": 0, "days": None},
        "average.at_least": {"cents": 5000, "days": None}, "purchase.at_stores": {"stores": [store.id], "days": None},
    }  # fmt: skip
    by_field = {"coupon": [offer.id], "campaign": [campaign.id]}
    found = []
    for field, op in (*CONDITIONS, SAVED):
        known = by_field.get(field) if not op.endswith(("_days", "least")) else None
        value = special.get(f"{field}.{op}", known or 7)
        found.append(check_audience(chain.id, {"field": field, "op": op, "value": value})["all"][0])
    return found


def through(chain, rules, *, may_be_saved=True):
    """Into the form, as it stands on the page, and out again."""
    typed: MultiDict[str, str] = MultiDict()
    fill_audience(chain, typed, rules, may_be_saved=may_be_saved)
    return check_audience(chain.id, audience_of(chain, typed))


def test_every_condition_can_be_chosen():
    assert set(CHOICES) - {EVERYBODY} == {f"{field}.{op}" for field, op in (*CONDITIONS, SAVED)}


def test_every_condition_comes_out_as_it_went_in(chain, samples):
    service = {"field": "consent", "op": "granted", "value": {"channel": "email", "purpose": "service"}}
    for condition in (*samples, service):
        assert through(chain, {"all": [condition]}, may_be_saved=False) == {"all": [condition]}
        assert through(chain, {"all": [{"not": condition}]}) == {"all": [{"not": condition}]}


def test_stores_are_typed_where_there_are_too_many_to_tick(chain, samples, monkeypatch):
    monkeypatch.setattr(condition_values, "MOST_TICKED", 0)
    for condition in samples:
        assert through(chain, {"any": [condition, condition]}) == {"any": [condition, condition]}


def flat(node):
    """Rules without what says nothing: a group of one, two turns, order."""
    if "not" in node:
        inner = flat(node["not"])
        return inner[1] if inner[0] == "not" else ("not", inner)
    for group in ("all", "any"):
        if group in node:
            parts = [flat(each) for each in node[group]]
            return parts[0] if len(parts) == 1 else (group, *parts)
    return (node["field"], node["op"], str(node["value"]))


def tree(random, leaves, depth):
    if depth == 0 or random.random() < 0.3:
        return random.choice([*leaves, {"all": []}])
    kind = random.choice(["all", "any", "not"])
    if kind == "not":
        return {"not": tree(random, leaves, depth - 1)}
    return {kind: [tree(random, leaves, depth - 1) for _ in range(random.randint(1, 3))]}


@pytest.mark.parametrize("seed", range(60))
def test_any_tree_comes_out_as_it_went_in(chain, samples, seed):
    rules = check_audience(chain.id, tree(Random(seed), samples, 4))

    assert flat(through(chain, rules)) == flat(rules)


def test_everybody_and_one_saved_segment_are_choices_of_their_own(chain, samples):
    typed: MultiDict[str, str] = MultiDict()
    assert AudienceForm(chain, typed).mode == EVERYONE
    assert audience_of(chain, typed) == {"all": []}
    fill_audience(chain, typed, {})
    assert AudienceForm(chain, typed).mode == EVERYONE

    saved = {"all": [samples[-1]]}
    fill_audience(chain, typed := MultiDict(), saved)
    assert AudienceForm(chain, typed).mode == SAVED_ONE
    assert audience_of(chain, typed) == saved

    fill_audience(chain, typed := MultiDict(), {"all": samples[:1]})
    assert AudienceForm(chain, typed).mode == OWN


def build(chain, *pressed, **typed):
    """The form after buttons of the builder, each sent with everything as it stood then."""
    fields: MultiDict[str, str] = MultiDict({"audience": OWN} | typed)
    for button in pressed:
        fields["rule_do"] = button
        form = AudienceForm(chain, fields)
        assert form.is_building
        kept = {"audience": OWN} | {name: value for name, value in typed.items() if "-" not in name}
        fields = MultiDict([*kept.items(), *form.builder.fields()])
    return AudienceForm(chain, fields)


def test_rows_and_groups_are_added_and_removed(chain):
    form = build(chain, "add:r", "group:r", "add:r_1", "group:r_1", "add:r_1_2")
    paths = [value for name, value in form.builder.fields() if name == "rule"]
    assert paths == ["r", "r_0", "r_1", "r_1_0", "r_1_1", "r_1_2", "r_1_2_0", "r_1_2_1"]
    assert form.builder.rules() == {"all": []}  # nothing is chosen yet

    form = build(chain, "add:r", "group:r", "add:r_1", "drop:r_0", "drop:r_0_1")
    assert [value for name, value in form.builder.fields() if name == "rule"] == ["r", "r_0", "r_0_0"]


@pytest.mark.parametrize("button", ["drop:r", "drop:r_9", "add:r_0", "group:x", "add", "", "drop:r_0_0_0", "show:r"])
def test_a_button_that_means_nothing_changes_nothing(chain, button):
    before = build(chain, "add:r")
    after = build(chain, "add:r", button) if button else before

    assert list(after.builder.fields()) == list(before.builder.fields())


def test_groups_are_offered_three_deep_and_rows_end_somewhere(chain):
    form = build(chain, "group:r", "group:r_0", "group:r_0_1")
    assert [value for name, value in form.builder.fields() if name == "rule"] == [
        "r",
        "r_0",
        "r_0_0",
        "r_0_1",
        "r_0_1_0",
    ]

    for _ in range(300):
        form.builder.change("add:r")
    assert len(form.builder.root.rows) < 200


def row(what, *inputs, **more):
    return MultiDict(
        [("audience", OWN), ("rule", "r"), ("r-mode", "all"), ("rule", "r_0"), ("r_0-what", what)]
        + [(f"r_0-{name}", value) for name, value in inputs]
        + list(more.items())
    )


def test_what_is_not_filled_in_is_left_out_of_the_count_and_refused_when_it_is_saved(chain):
    form = AudienceForm(chain, row("joined.within_days", ("value", " ")))

    assert form.audience(skip_blank=True) == {"all": []}
    assert form.builder.find_problems()
    (line,) = form.builder.root.rows
    assert line.problem == "天数要在 1 到 3650 之间。"
    with pytest.raises(AudienceInvalid):
        check_audience(chain.id, form.audience())


def test_every_member_is_a_condition_and_none_at_all_is_not(chain):
    assert AudienceForm(chain, row("everybody")).chosen_audience() == {"all": [{"all": []}]}
    with pytest.raises(AudienceInvalid):
        AudienceForm(chain, row("")).chosen_audience()


@pytest.mark.parametrize(
    ("what", "inputs", "is_blank"),
    [
        ("consent.granted", [("channel", ""), ("purpose", "promotion")], True),
        ("store.within_km", [("store", "1"), ("km", "")], True),
        ("tier.in", [], True),
        ("purchases.at_least", [("count", "2"), ("days", "")], False),
        ("everybody", [], False),
        ("", [], False),
    ],
)
def test_a_row_is_counted_once_all_it_needs_is_there(chain, what, inputs, is_blank):
    assert AudienceForm(chain, row(what, *inputs)).builder.root.rows[0].is_blank is is_blank


@pytest.mark.parametrize(
    ("what", "inputs", "problem"),
    [
        ("store.in", [], "至少选一项。"),
        ("spend.at_least", [("cents", "viel")], "金额要写成数字，如 50.50。"),
        ("spend.at_least", [("cents", "12.345")], "金额要写成数字，如 50.50。"),
        ("spend.at_least", [("cents", "-5")], "金额要大于 0。"),
        ("spend.at_least", [("cents", "")], "金额要大于 0。"),
        ("joined.after", [("value", "gestern")], "日期要写成 2026-05-20。"),
        ("place.within_km", [("latitude", "nan"), ("longitude", "0"), ("km", "3")], "坐标不对。"),
        ("segment.is", [("value", "")], "请选一个人群。"),
        ("segment.is", [("value", "99")], "没有这个人群。"),
        ("consent.granted", [("channel", ""), ("purpose", "promotion")], "请选一项。"),
        ("consent.granted", [("channel", "pigeon"), ("purpose", "promotion")], "没有这个选项。"),
        ("points.at_least", [("value", "-5")], "积分是 0 到 10 亿。"),
    ],
)
def test_a_row_says_what_is_wrong_with_it(chain, what, inputs, problem):
    make_store(chain)
    form = AudienceForm(chain, row(what, *inputs))

    assert form.builder.find_problems()
    assert form.builder.root.rows[0].problem == problem


def test_a_store_number_that_nobody_has_is_named(chain, monkeypatch):
    make_store(chain, "SH001")
    monkeypatch.setattr(condition_values, "MOST_TICKED", 0)
    form = AudienceForm(chain, row("store.in", ("value", "SH001，SH009, SH010")))

    assert form.builder.find_problems()
    assert form.builder.root.rows[0].problem == "没有编号为 SH009, SH010 的门店。"


def test_amounts_are_typed_as_people_write_them(chain):
    form = AudienceForm(chain, row("spend.at_least", ("cents", "1,234.5"), ("days", "")))

    assert form.audience()["all"][0]["value"] == {"cents": 123450, "days": None}


@pytest.mark.parametrize(
    "typed",
    [
        [("rule", "x"), ("rule", "r_0"), ("r_0-what", "joined.within_days")],
        [("rule", "r"), ("r-mode", "perhaps"), ("rule", "r_0"), ("r_0-what", "drop table")],
        [("rule", "r_0_0"), ("rule", "r"), ("r_0_0-what", "tier.in")],
        [("rule", "r")] * 500,
        [("audience", "saved"), ("audience_segment", "9" * 400)],
        [("audience", "everything")],
    ],
)
def test_nonsense_in_a_form_breaks_nothing(chain, typed):
    form = AudienceForm(chain, MultiDict(typed))

    form.builder.find_problems()
    with suppress(AudienceInvalid):
        check_audience(chain.id, form.audience())
