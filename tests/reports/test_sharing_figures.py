"""One story, told by the page, the API, the files and their control totals: the same figures everywhere."""

import csv
import io
import re
from datetime import timedelta
from html import unescape

import pytest

from app.reports.control import control_totals
from app.reports.question import Reader, ask
from app.reports.streaming import export
from core.clock import day_start
from core.db import db, transaction
from sharing import branching, propagation
from sharing.models import Referral
from sharing.spreaders import top_spreaders
from stores.models import Role, Store
from tests.factories import NOON, make_chain, make_key, make_staff
from tests.pages import sign_in
from tests.sharing import stories

TAG = re.compile(r"<[^>]+>")


@pytest.fixture
def told(app):
    """A random story, and forty days of it."""
    story = stories.tell(7)
    today = story.day(NOON)
    return story, today - timedelta(days=45), today - timedelta(days=6)


def arguments(told, **narrowed):
    story, first, last = told
    chain = story.chain
    start = day_start(first, chain.timezone, chain.cutoff_hour)
    end = day_start(last + timedelta(days=1), chain.timezone, chain.cutoff_hour)
    return (chain.id, start, end), narrowed


def question(told, name, *, reader=None, **more):
    story, first, last = told
    days = {"first": first.isoformat(), "last": last.isoformat()}
    return ask(name, reader or Reader(story.chain.id), now=NOON, **days, **more)


def rows_of(asked):
    with export(asked) as answer:
        text = b"".join(answer.lines()).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def total(rows, column):
    return sum(int(row[column] or 0) for row in rows)


def ask_api(client, told, path, key, **more):
    _, first, last = told
    query = {"from": first.isoformat(), "to": last.isoformat()} | more
    answer = client.get(f"/api/v1/sharing/{path}", query_string=query, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200, answer.text
    return answer.json


def page_of(client, told, path=""):
    _, first, last = told
    return client.get(f"/dashboard/sharing{path}?lang=en&from={first}&to={last}").text


def cells(page, table):
    """The rows of a table of a page, as they are read."""
    body = re.search(rf'<table[^>]*id="{table}".*?<tbody>(.*?)</tbody>', page, re.DOTALL)[1]
    return [
        [" ".join(unescape(TAG.sub(" ", cell)).split()) for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]
        for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    ]


def tiles(page):
    found = re.findall(r'tile__label">([^<]+)<.*?tile__value">([^<]+)<', page, re.DOTALL)
    return {unescape(label): value for label, value in found}


@pytest.mark.parametrize("place", ["everywhere", "one store"])
def test_files_add_up_to_the_figures(told, place):
    story = told[0]
    store = db.session.get_one(Store, story.stores[0]) if place == "one store" else None
    asked = {"store_code": store.code} if store else {}
    period, narrowed = arguments(told, store_ids=[store.id] if store else None)
    numbers = propagation.numbers(*period, **narrowed)
    spreaders = top_spreaders(*period, **narrowed, limit=1000)
    files = {
        name: rows_of(question(told, name, **asked)) for name in ("referrals", "share_links", "spreaders", "rewards")
    }
    controls = {name: control_totals(question(told, name, **asked)) for name in files}

    assert {name: len(rows) for name, rows in files.items()} == {name: each["rows"] for name, each in controls.items()}
    assert len(files["referrals"]) == numbers.referred
    assert len(files["share_links"]) == total(files["spreaders"], "links") == numbers.links
    assert total(files["spreaders"], "visits") == numbers.visits
    assert len({row["member_id"] for row in files["share_links"]}) == numbers.sharers
    brought = [row for row in files["spreaders"] if int(row["joined"])]
    assert [
        (int(row["member_id"]), int(row["joined"]), int(row["links"]), int(row["visits"])) for row in brought
    ] == sorted(
        ((each.member_id, each.direct, each.links, each.visits) for each in spreaders),
        key=lambda row: (-row[1], -row[3], -row[2], row[0]),
    )
    for row, each in zip(
        sorted(brought, key=lambda row: int(row["member_id"])),
        sorted(spreaders, key=lambda each: each.member_id),
        strict=True,
    ):
        assert int(row["reach"]) == each.reach
        assert int(row["rewards"]) == each.rewards
        assert total([row], "reward_cents") + total([row], "friend_reward_cents") == each.reward_cents
        assert int(row["findings"]) == each.findings
    mine = [row for row in files["rewards"] if row["side"] == "referrer"]
    assert total(mine, "given") == total(files["spreaders"], "rewards")
    assert total(mine, "spent_cents") == total(files["spreaders"], "reward_cents")


def test_the_rewards_of_friends_cost_the_same_in_both_files(told):
    friends = [row for row in rows_of(question(told, "rewards")) if row["side"] == "friend"]

    assert total(friends, "spent_cents") == total(rows_of(question(told, "spreaders")), "friend_reward_cents") > 0


def test_first_purchases_are_those_that_stand_and_were_paid(told):
    story = told[0]
    rows = {int(row["member_id"]): row for row in rows_of(question(told, "referrals"))}

    for person in story.people:
        if person.id not in rows:
            continue
        standing = [p for p in person.purchases if p.state == "settled" and p.payable_cents > p.refunded_cents]
        first = min(standing, key=lambda p: (p.settled_at, p.id), default=None)
        net = first.payable_cents - first.refunded_cents if first else 0
        assert (int(rows[person.id]["bought"]), int(rows[person.id]["first_purchase_cents"])) == (bool(first), net)
    spreaders = rows_of(question(told, "spreaders"))
    assert total(spreaders, "bought") == total(list(rows.values()), "bought")
    assert total(spreaders, "first_purchase_cents") == total(list(rows.values()), "first_purchase_cents")


def test_referrals_tell_the_states_of_both_sides_rewards(told):
    story = told[0]

    for row in rows_of(question(told, "referrals")):
        of_it = [reward for reward in story.rewards if reward.referral_id == int(row["referral_id"])]
        for side in ("referrer", "friend"):
            assert row[f"{side}_rewards"] == " ".join(reward.state for reward in of_it if reward.side == side)
        assert int(row["rewards_cents"]) == sum(
            reward.committed_cents for reward in of_it if reward.state in ("approved", "clawed_back")
        )


def test_what_devices_and_networks_look_like_is_in_no_file(told):
    with transaction():
        db.session.execute(db.update(Referral).values(device="d" * 32, network="e" * 32))

    for name in ("referrals", "share_links", "spreaders", "rewards"):
        columns = question(told, name).report.columns
        text = str(rows_of(question(told, name)))
        assert not {"device", "network", "token"} & {column.header for column in columns}
        assert not any(secret in text for secret in ("d" * 32, "e" * 32, "link0000"))


def test_own_channels_are_named_in_the_files(told):
    for name in ("referrals", "share_links"):
        rows = rows_of(question(told, name))
        names = {row["channel"]: row["channel_name"] for row in rows}
        assert (names["slip"], names["table"]) == ("快递单", "桌卡")
        assert not any(name for channel, name in names.items() if channel not in ("slip", "table"))


def test_the_api_tells_the_figures_of_the_files(client, told):
    story = told[0]
    answer = ask_api(client, told, "metrics", make_key(story.chain), spend="1")
    files = {name: rows_of(question(told, name)) for name in ("referrals", "share_links", "spreaders")}

    assert answer["referred"] == len(files["referrals"])
    assert answer["links"] == len(files["share_links"])
    assert answer["visits"] == total(files["spreaders"], "visits")
    assert sum(each["referred"] for each in answer["days"]) == answer["referred"]
    assert sum(each["members"] for each in answer["generations"]) == answer["new_members"]
    assert sum(each["members"] for each in answer["flows"]) == answer["referred"]
    for part, column in (("channels", "channel"), ("occasions", "occasion")):
        shared = {each[column]: (each["links"], each["brought"]) for each in answer[part]}
        for word, (links, brought) in shared.items():
            assert links == sum(row[column] == word for row in files["share_links"])
            assert brought == sum(row[column] == word for row in files["referrals"])
    assert sum(each["joined"] for each in answer["stores"]) == answer["referred"]
    assert sum(each["k_factor"]["members"] for each in answer["stores"] if each["k_factor"]) == answer["new_members"]
    assert [each["days"] for each in answer["spend"]] == [7, 30, 90]


def test_the_page_shows_the_figures_of_the_api(client, told):
    story = told[0]
    answer = ask_api(client, told, "metrics", make_key(story.chain))
    page = page_of(sign_in(client, make_staff(story.chain)), told)
    shown = tiles(page)

    assert shown["Members through friends"] == str(answer["referred"])
    assert shown["Reach"] == str(answer["reached"])
    assert shown["Sharers"] == str(answer["sharers"])
    assert shown["Visits per link"] == f"{answer['visits_per_link']:.2f}"
    assert shown["K-factor"] == f"{answer['k_factor']['value']:.2f}"
    interval = answer["k_factor"]["interval"]
    assert f"{interval['low']:.2f}–{interval['high']:.2f}" in page
    assert [int(row[1]) for row in cells(page, "generations-table")] == [
        each["members"] for each in answer["generations"]
    ]
    assert [(int(row[1]), int(row[2])) for row in cells(page, "days-table")] == [
        (each["referred"], each["others"]) for each in answer["days"]
    ]
    assert sum(int(row[3]) for row in cells(page, "flow-table")) == answer["referred"]
    for table, part in (
        ("channels", "channels"),
        ("occasions", "occasions"),
        ("stores", "stores"),
        ("programs", "programs"),
    ):
        assert [[int(figure) for figure in row[1:5]] for row in cells(page, table)] == [
            [each[name] for name in ("sharers", "links", "visits", "brought")] for each in answer[part]
        ]


def test_spreaders_page_by_key_in_the_api(client, told):
    story = told[0]
    key, pages, cursor = make_key(story.chain), [], None
    while True:
        answer = ask_api(client, told, "spreaders", key, limit=5, **({"cursor": cursor} if cursor else {}))
        pages.append(answer["items"])
        cursor = answer["next_cursor"]
        if cursor is None:
            break

    period, narrowed = arguments(told)
    assert [each["member_id"] for page in pages for each in page] == [
        each.member_id for each in top_spreaders(*period, **narrowed, limit=1000)
    ]
    assert all(each["name"].endswith("*") for page in pages for each in page)


def test_a_program_narrows_page_and_api_alike(client, told):
    story = told[0]
    program = story.programs[1]
    answer = ask_api(client, told, "metrics", make_key(story.chain), program=program)
    _, first, last = told
    page = sign_in(client, make_staff(story.chain)).get(
        f"/dashboard/sharing?lang=en&from={first}&to={last}&program={program}"
    )
    period, narrowed = arguments(told, program_id=program)

    assert answer["referred"] == propagation.numbers(*period, **narrowed).referred
    assert tiles(page.text)["Members through friends"] == str(answer["referred"])
    assert [each["program_id"] for each in answer["programs"]] == [program]


def test_a_stores_key_and_manager_get_their_own_store_only(client, told):
    story = told[0]
    store = db.session.get_one(Store, story.stores[1])
    own = ask_api(client, told, "metrics", make_key(story.chain, Role.STORE_MANAGER, store))
    narrowed = ask_api(client, told, "metrics", make_key(story.chain), store=store.code)
    manager = sign_in(client, make_staff(story.chain, Role.STORE_MANAGER, (store,)))

    assert own | {"store": store.code} == narrowed
    assert {each["store_id"] for each in own["stores"]} == {store.id}
    assert tiles(page_of(manager, told))["Reach"] == str(own["reached"])
    reader = Reader(story.chain.id, frozenset([store.id]), shows_personal=False)
    for name in ("spreaders", "rewards"):
        rows = rows_of(question(told, name, reader=reader))
        assert {row["store_code"] for row in rows} == {store.code}
        assert all(row["name"].endswith("**") for row in rows)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        pytest.param({"from": "2026-05-20", "to": "2026-05-01"}, 422, "period_invalid", id="an end before the start"),
        pytest.param({"from": "2020"}, 422, "invalid", id="a day written otherwise"),
        pytest.param({"to": "0001-01-01"}, 422, "period_invalid", id="a day before all days"),
        pytest.param({"store": "nowhere"}, 404, "store_unknown", id="a store of nobody"),
        pytest.param({"program": "987"}, 404, "program_unknown", id="a program of nobody"),
    ],
)
@pytest.mark.parametrize("path", ["metrics", "spreaders"])
def test_a_wrong_question_is_refused(app, client, path, query, status, code):
    key = make_key(make_chain())

    answer = client.get(f"/api/v1/sharing/{path}", query_string=query, headers={"Authorization": f"Bearer {key}"})

    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_many_members_are_counted_after_the_page(client, told, monkeypatch):
    monkeypatch.setattr("app.dashboard.shares.sharing.AT_ONCE", 5)
    story = told[0]
    hq = sign_in(client, make_staff(story.chain))

    page = page_of(hq, told)
    parts = [unescape(address) for address in re.findall(r'hx-get="([^"]+sharing/[^"]+)"', page)]

    assert "Counting many members" in page
    assert "tile__value" not in page
    figures, spending = (hq.get(f"{address}&lang=en").text for address in parts)
    assert "Members through friends" in tiles(figures)
    assert "spending-table" in spending
    whole = unescape(re.search(r'field__hint"><a href="([^"]+)"', page)[1])
    assert tiles(hq.get(f"{whole}&lang=en").text) == tiles(figures)


def test_the_flow_keeps_small_stores_and_deep_generations_together(client, told, monkeypatch):
    monkeypatch.setattr("app.dashboard.shares.sharing.STORES_DRAWN", 1)
    monkeypatch.setattr("app.dashboard.shares.sharing.GENERATIONS_DRAWN", 2)
    story = told[0]
    period, _ = arguments(told)

    rows = cells(page_of(sign_in(client, make_staff(story.chain)), told), "flow-table")

    assert len({row[0] for row in rows}) == 2
    assert "Other stores" in {row[0] for row in rows}
    assert {row[2] for row in rows} == {"Generation 1", "Generation 2+"}
    assert sum(int(row[3]) for row in rows) == sum(each.members for each in branching.flows(*period))
