"""The propagation tree: its pages, and the answers that its picture is drawn from."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from cards.models import Card, Member
from core.clock import utc_now
from core.db import db, transaction
from sharing.models import OwnChannel, Referral
from stores.models import Role
from tests.factories import make_chain, make_staff, make_store, save
from tests.pages import sign_in
from tests.sharing.referring import Circle

TREE = "/dashboard/sharing/tree"


@pytest.fixture
def circle(app):
    return Circle("snowpeak")


@pytest.fixture
def family(circle):
    """root brought child and other, child brought grandchild, a day after the other."""
    days = [utc_now() - timedelta(days=ago) for ago in (9, 8, 7, 6)]
    root = circle.member(now=days[0])
    child, other = circle.friend(root, now=days[1]), circle.friend(root, now=days[2])
    grandchild = circle.friend(child, now=days[3])
    name(root, "林小雪")
    name(child, "周大海")
    return {"root": root, "child": child, "other": other, "grandchild": grandchild}


@pytest.fixture
def hq(circle, client):
    return sign_in(client, make_staff(circle.chain))


def name(card, words, **more):
    with transaction():
        db.session.execute(update(Member).where(Member.id == card.member_id).values(name=words, **more))


def tree_of(card):
    return f"{TREE}/{card.member_id}"


def ids(answer):
    return [each["id"] for each in answer.json["members"]]


def of(family, *names):
    return [family[each].member_id for each in names]


def test_a_chain_without_shares_says_how_it_begins(hq):
    english, chinese = hq.get(f"{TREE}?lang=en"), hq.get(f"{TREE}?lang=zh")

    assert (english.status_code, chinese.status_code) == (200, 200)
    assert "Here stands who brought whom." in english.text
    assert "全部传播树" in chinese.text
    assert "data-tree" not in english.text
    assert hq.get(f"{TREE}/picture.json").json["members"] == []
    assert hq.get(f"{TREE}/growth.json").json == {"days": [], "rows": [], "channels": []}


def test_a_member_who_brought_nobody_has_no_picture(hq, family):
    page = hq.get(f"{tree_of(family['other'])}?lang=en").text

    assert "Nobody has come through this member yet." in page
    assert "data-tree" not in page


def test_all_trees_are_listed_with_their_size_in_both_languages(hq, circle, family):
    english, chinese = hq.get(f"{TREE}?lang=en").text, hq.get(f"{TREE}?lang=zh").text

    assert f'href="{tree_of(family["root"])}"' in english
    assert f'href="{tree_of(family["child"])}"' not in english
    assert "Members by generation" in english
    assert "各代会员" in chinese
    assert "林小雪" in chinese


def test_lists_of_trees_go_on_by_key(hq, circle):
    roots = [circle.member() for _ in range(21)]
    for root in roots:
        circle.friend(root)

    first = hq.get(TREE).text
    after = f"{TREE}?after=1-{roots[19].member_id}"

    assert f'href="{after}#trees"' in first
    assert tree_of(roots[20]) not in first
    assert tree_of(roots[20]) in hq.get(after).text


def test_a_tree_lists_whom_a_member_brought_and_the_way_down_to_him(hq, family):
    page = hq.get(f"{tree_of(family['grandchild'])}?lang=en").text
    above = hq.get(f"{tree_of(family['child'])}?lang=en").text

    way = [
        page.index(f'href="{tree_of(family[each])}?to={family["grandchild"].member_id}"') for each in ("root", "child")
    ]
    assert way == sorted(way)
    assert "Generation 2" in page
    assert f"/dashboard/members/{family['grandchild'].member_id}" in above
    assert f"/dashboard/members/{family['other'].member_id}" not in above


def test_a_long_way_down_is_folded(hq, circle, family):
    card = family["grandchild"]
    for _ in range(5):
        card = circle.friend(card)

    page = hq.get(f"{tree_of(card)}?lang=en").text

    assert "<summary>3 more</summary>" in page
    assert page.count(f"?to={card.member_id}") == 7


def test_a_generation_leads_to_its_largest_branches(hq, family):
    page = hq.get(f"{tree_of(family['root'])}?generation=1&lang=en").text

    largest = page[page.index('id="largest"') :]
    assert "The largest branches of generation 1" in largest
    assert largest.index(tree_of(family["child"])) < largest.index(tree_of(family["other"]))
    assert "Nobody stands there." in hq.get(f"{TREE}?generation=77&lang=en").text
    assert hq.get(f"{TREE}?generation=x").status_code == 200


def test_a_small_tree_is_drawn_whole(hq, family):
    picture = hq.get(f"{tree_of(family['root'])}/picture.json?lang=en")

    assert ids(picture) == of(family, "root", "child", "other", "grandchild")
    root, child = picture.json["members"][:2]
    assert (root["name"], root["reach"], root["brought"], root["up"], root["channel"]) == ("林小雪", 3, 2, None, None)
    assert (child["up"], child["channel"], child["reach"]) == (family["root"].member_id, "group", 1)
    assert child["url"] == f"/dashboard/members/{family['child'].member_id}"
    assert (picture.json["zone"], picture.json["currency"]) == ("Asia/Shanghai", "CNY")


def test_a_large_tree_is_drawn_in_part_and_fetched_in_pages(hq, circle, family, monkeypatch):
    monkeypatch.setattr("app.dashboard.shares.tree.SMALL", 2)
    monkeypatch.setattr("app.dashboard.shares.tree.CROWN", (1,))
    monkeypatch.setattr("app.dashboard.shares.tree.BRANCHES", 1)
    root = family["root"]

    picture = hq.get(f"{tree_of(root)}/picture.json")
    page = hq.get(f"{tree_of(root)}/branch.json")
    following = hq.get(f"{tree_of(root)}/branch.json?at={root.member_id}&after={page.json['next']}")
    inner = hq.get(f"{tree_of(root)}/branch.json?at={family['child'].member_id}")

    assert ids(picture) == of(family, "root", "child")
    assert picture.json["members"][0]["reach"] == 3
    assert (ids(page), ids(following), ids(inner)) == (
        of(family, "child"),
        of(family, "other"),
        of(family, "grandchild"),
    )


def test_the_picture_of_the_chain_holds_its_trees(hq, circle, family):
    second = circle.member()
    friend = circle.friend(second)

    assert ids(hq.get(f"{TREE}/picture.json")) == [
        *of(family, "root"),
        second.member_id,
        *of(family, "child", "other"),
        friend.member_id,
        *of(family, "grandchild"),
    ]
    assert ids(hq.get(f"{TREE}/branch.json?after=3-{family['root'].member_id}")) == [second.member_id]


def test_the_way_to_a_member_begins_below_the_root_of_the_picture(hq, family):
    wanted = family["grandchild"].member_id

    assert ids(hq.get(f"{tree_of(family['root'])}/way.json?to={wanted}")) == of(family, "child", "grandchild")
    assert ids(hq.get(f"{TREE}/way.json?to={wanted}")) == of(family, "root", "child", "grandchild")
    assert hq.get(f"{tree_of(family['other'])}/way.json?to={wanted}").status_code == 404
    assert hq.get(f"{TREE}/way.json").status_code == 404


def test_members_are_found_by_name_number_and_phone(hq, circle, family):
    circle.phone(family["child"], "+8613800000001")
    number = family["grandchild"].number

    by_name = hq.get(f"{TREE}/find.json?find=周大").json
    by_number = hq.get(f"{TREE}/find.json?find={number}").json
    by_phone = hq.get(f"{tree_of(family['other'])}/find.json?find=13800000001").json

    assert [each["id"] for each in by_name] == of(family, "child")
    assert [(each["id"], each["generation"]) for each in by_number] == [(family["grandchild"].member_id, 2)]
    assert [(each["id"], each["isHere"]) for each in by_phone] == [(family["child"].member_id, False)]
    assert by_phone[0]["page"] == f"{tree_of(family['root'])}?to={family['child'].member_id}"


@pytest.mark.parametrize("words", ["", "%", "nobody", "x" * 200])
def test_nobody_is_found_by_signs(hq, family, words):
    assert hq.get(f"{TREE}/find.json", query_string={"find": words}).json == []


def test_without_scripts_a_search_answers_with_a_page(hq, family):
    page = hq.get(f"{TREE}?find=周大海&lang=en").text

    assert "Members found" in page
    assert f'href="{tree_of(family["child"])}"' in page
    assert "Nobody found." in hq.get(f"{TREE}?find=nobody&lang=en").text


def test_values_are_what_stands_below(hq, family):
    with transaction():
        for cents, card in ((700, family["child"]), (900, family["grandchild"])):
            db.session.execute(update(Card).where(Card.id == card.id).values(spent_cents=cents))
    root, child = of(family, "root", "child")

    values = hq.get(f"{tree_of(family['root'])}/values.json?of={root},{child},x,,999999999999")

    assert values.json == {str(root): 1600, str(child): 900}
    assert hq.get(f"{TREE}/values.json?of={child}").json == {str(child): 900}
    assert hq.get(f"{tree_of(family['other'])}/values.json?of={root}").json == {}


def test_growth_is_told_in_steps(hq, family):
    growth = hq.get(f"{tree_of(family['root'])}/growth.json").json

    assert len(growth["days"]) == 3
    assert (growth["channels"], growth["rows"]) == (["group"], [[0, 1, 0, 1], [1, 1, 0, 1], [2, 2, 0, 1]])


def test_a_long_growth_has_sixty_steps_at_most(hq, circle, family):
    circle.friend(family["other"], now=utc_now() + timedelta(days=400))

    growth = hq.get(f"{tree_of(family['root'])}/growth.json").json

    assert 50 <= len(growth["days"]) <= 60
    assert growth["days"] == sorted(growth["days"])
    assert growth["rows"][-1] == [len(growth["days"]) - 1, 2, 0, 1]


def test_own_channels_are_called_by_their_names(hq, circle, family):
    own = {"code": "table_card", "name": "桌卡", "name_en": "Table card", "is_for_members": True}
    save(OwnChannel(chain_id=circle.chain.id, created_at=utc_now(), **own))
    with transaction():
        db.session.execute(
            update(Referral).where(Referral.member_id == family["other"].member_id).values(channel="table_card")
        )

    assert ["table_card", "Table card"] in hq.get(f"{TREE}/picture.json?lang=en").json["channels"]
    assert "桌卡" in hq.get(f"{tree_of(family['root'])}?lang=zh").text


@pytest.fixture
def elsewhere(circle, family):
    """Another store, whose member the child is."""
    store = make_store(circle.chain)
    with transaction():
        db.session.execute(update(Member).where(Member.id == family["child"].member_id).values(store_id=store.id))
    return store


def test_a_manager_learns_of_foreign_members_only_that_they_exist(client, circle, family, elsewhere):
    manager = sign_in(client, make_staff(circle.chain, Role.STORE_MANAGER, (circle.store,)))
    root, child = family["root"], family["child"]

    page = manager.get(f"{tree_of(root)}?lang=en").text
    picture = manager.get(f"{tree_of(root)}/picture.json?lang=en").json["members"]

    assert "周大海" not in page
    assert elsewhere.name not in page
    assert "Member of another store" in page
    foreign = next(each for each in picture if each["id"] == child.member_id)
    assert foreign["name"] == "Member of another store"
    assert foreign.keys().isdisjoint({"number", "store", "spent", "tree", "url"})
    assert manager.get(tree_of(child)).status_code == 404
    assert manager.get(f"{tree_of(child)}/picture.json").status_code == 404
    assert manager.get(f"{TREE}/way.json?to={child.member_id}").status_code == 404
    assert manager.get(f"{TREE}/find.json?find=周大海").json == []


def test_a_manager_reaches_his_members_below_those_of_others(client, circle, family, elsewhere):
    manager = sign_in(client, make_staff(circle.chain, Role.STORE_MANAGER, (circle.store,)))
    root, child, grandchild = family["root"], family["child"], family["grandchild"]

    assert ids(manager.get(f"{tree_of(root)}/branch.json?at={child.member_id}")) == [grandchild.member_id]
    assert ids(manager.get(f"{TREE}/way.json?to={grandchild.member_id}")) == of(family, "root", "child", "grandchild")


def test_a_managers_trees_begin_with_his_members(client, circle, family, elsewhere):
    manager = sign_in(client, make_staff(circle.chain, Role.STORE_MANAGER, (elsewhere,)))

    page = manager.get(f"{TREE}?lang=en").text

    assert tree_of(family["child"]) in page
    assert "林小雪" not in page
    assert ids(manager.get(f"{TREE}/picture.json")) == of(family, "child", "grandchild")
    assert manager.get(f"{TREE}/growth.json").json["rows"] == [[0, 1, 0, 1]]
    assert manager.get(f"{TREE}/values.json?of={family['root'].member_id}").json == {}
    assert manager.get(tree_of(family["root"])).status_code == 404
    crumb = " ".join(manager.get(f"{tree_of(family['child'])}?lang=en").text.split())
    assert "Member of another store / 周" in crumb


def test_another_chains_tree_is_not_there(client, family):
    foreign = sign_in(client, make_staff(make_chain("other")))
    root = family["root"]

    assert foreign.get(tree_of(root)).status_code == 404
    for address in (
        f"{tree_of(root)}/picture.json",
        f"{tree_of(root)}/growth.json",
        f"{TREE}/way.json?to={root.member_id}",
    ):
        assert foreign.get(address).status_code == 404
    assert foreign.get(f"{TREE}/values.json?of={root.member_id}").json == {}
    assert foreign.get(f"{TREE}/picture.json").json["members"] == []


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("", 12),
        ("/{root}", 12),
        ("/picture.json", 9),
        ("/{root}/picture.json", 6),
        ("/{root}/branch.json", 8),
        ("/{root}/way.json?to={child}", 9),
        ("/{root}/values.json?of={root},{child}", 6),
        ("/{root}/growth.json", 6),
        ("/{root}/find.json?find=member", 8),
    ],
)
def test_every_answer_takes_few_queries(hq, circle, family, count_queries, path, most):
    for _ in range(20):
        circle.friend(family["child"])
    before = len(count_queries)

    address = path.format(root=family["root"].member_id, child=family["child"].member_id)
    answer = hq.get(f"{TREE}{address}")

    assert answer.status_code == 200
    assert len([each for each in count_queries[before:] if each != "BEGIN"]) <= most


@pytest.mark.parametrize("after", ["999999999999-1", "1-999999999999", "2147483647-1"])
def test_a_page_that_begins_behind_any_number_is_answered(hq, family, after):
    for address in (
        TREE,
        f"{TREE}/branch.json",
        f"{tree_of(family['root'])}/branch.json",
        "/dashboard/sharing/spreaders",
    ):
        assert hq.get(f"{address}?after={after}").status_code == 200, address
