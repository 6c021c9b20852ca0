"""The pages of segments."""

import re

import pytest

from app.dashboard.pushes import segments as pages
from core.audit import SYSTEM, Author
from core.clock import utc_now
from core.db import db, transaction
from push import approving, campaigns
from push.audiences import rfm
from push.audiences.models import Segment
from push.audiences.saved_segments import archive_segment, create_segment, only_segment
from push.timing.policies import Oversight, set_oversight
from stores.models import Role
from tests.factories import NOON, make_chain, make_staff, make_store, make_store_code
from tests.pages import post, sign_in
from tests.push.pushing import make_campaign, make_member

SEGMENTS = "/dashboard/segments"
RICH = {"all": [{"field": "points", "op": "at_least", "value": 100}]}
TYPED = {"name": "新会员", "audience": "own", "rule": ["r", "r_0"], "r-mode": "all"}
TYPED |= {"r_0-what": "joined.within_days", "r_0-value": "30"}


@pytest.fixture
def chain(app):
    return make_chain()


@pytest.fixture
def desk(client, chain):
    sign_in(client, make_staff(chain))
    client.set_cookie("kq_language", "en")
    return client


def text(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


def keep(chain, name="Rich", rules=RICH):
    with transaction():
        return create_segment(chain.id, name, rules, by=SYSTEM, now=NOON)


def test_an_empty_list_says_what_belongs_there(desk):
    page = text(desk.get(SEGMENTS))

    assert "put one together from conditions" in page
    assert "Make the six" in page


def test_a_segment_is_put_together_without_scripts(desk, chain):
    make_member(make_store_code(make_store(chain)), name="林小雨")
    empty = {name: value for name, value in TYPED.items() if not name.startswith("r_0")} | {"rule": ["r"]}

    added = post(desk, SEGMENTS, empty | {"rule_do": "add:r"})
    assert added.status_code == 200
    assert 'name="r_0-what"' in added.text
    chosen = post(desk, SEGMENTS, TYPED | {"r_0-value": "", "rule_do": "show:r_0"})
    assert 'name="r_0-value"' in chosen.text
    assert db.session.scalar(db.select(db.func.count(Segment.id))) == 0

    kept = post(desk, SEGMENTS, TYPED | {"r_0-value": "3650"}, follow_redirects=True)

    assert "Members who joined in the last 3650 days" in text(kept)
    assert "1 member" in text(kept)
    assert "林**" in kept.text
    assert "林小雨" not in kept.text
    segment = db.session.scalars(db.select(Segment)).one()
    assert segment.rules == {"all": [{"field": "joined", "op": "within_days", "value": 3650}]}


def test_what_is_wrong_stands_at_its_row_and_nothing_is_lost(desk):
    answer = post(desk, SEGMENTS, TYPED | {"r_0-value": "soon"})

    assert answer.status_code == 422
    assert "Days lie between 1 and 3650." in answer.text
    assert 'value="soon"' in answer.text
    assert 'value="新会员"' in answer.text


def test_a_name_is_needed(desk):
    answer = post(desk, SEGMENTS, TYPED | {"name": " "})

    assert answer.status_code == 422
    assert "Give the segment a name" in answer.text


def test_it_is_changed_where_campaigns_follow(desk, chain):
    kept = keep(chain)
    campaign = make_campaign(chain, audience={"all": [{"field": "segment", "op": "is", "value": kept.id}]})

    page = desk.get(f"{SEGMENTS}/{kept.id}/edit")
    assert f"1 push is made of it and follows what you change: {campaign.name}." in text(page)
    assert 'value="100"' in page.text
    assert f'value="{kept.id}">Rich' not in page.text  # not to be chosen within itself
    post(desk, f"{SEGMENTS}/{kept.id}/edit", TYPED | {"name": "Fresh"})

    db.session.expire_all()
    segment = db.session.get_one(Segment, kept.id)
    assert (segment.name, segment.rules["all"][0]["value"]) == ("Fresh", 30)
    redrawn = post(desk, f"{SEGMENTS}/{kept.id}/edit", TYPED | {"rule_do": "drop:r_0"})
    assert (redrawn.status_code, 'name="r_0-what"' in redrawn.text) == (200, False)
    assert post(desk, f"{SEGMENTS}/{kept.id}/edit", TYPED | {"name": ""}).status_code == 422


def test_it_is_put_away_with_the_way_back_and_not_while_it_is_used(desk, chain):
    used, idle = keep(chain, "Used"), keep(chain, "Idle")
    make_campaign(chain, audience={"all": [{"field": "segment", "op": "is", "value": used.id}]})

    refused = post(desk, f"{SEGMENTS}/{used.id}/archive", follow_redirects=True)
    assert "It is still used by “周五”" in text(refused)
    away = post(desk, f"{SEGMENTS}/{idle.id}/archive", follow_redirects=True)
    assert f'action="{SEGMENTS}/{idle.id}/restore"' in away.text
    assert "Idle" not in text(away)
    assert "Put away on" in text(desk.get(f"{SEGMENTS}/{idle.id}"))
    assert desk.get(f"{SEGMENTS}/{idle.id}/edit").status_code == 302
    back = post(desk, f"{SEGMENTS}/{idle.id}/restore", follow_redirects=True)
    assert "The segment is back." in text(back)


def test_a_name_taken_meanwhile_keeps_it_away(desk, chain):
    first = keep(chain)
    with transaction():
        archive_segment(chain.id, first.id, by=SYSTEM, now=NOON)
    keep(chain)

    answer = post(desk, f"{SEGMENTS}/{first.id}/restore", follow_redirects=True)

    assert "There is another segment with this name." in text(answer)


def test_the_ready_made_ones_are_made_by_a_button_and_explained(desk, chain):
    made = post(desk, f"{SEGMENTS}/ready-made", follow_redirects=True)

    page = text(made)
    assert "Made with usual figures" in page
    for name in ("Champions", "Loyal", "Promising", "New", "At risk", "Lost"):
        assert name in page
    assert "They have been away for long." in page
    lost = db.session.scalars(db.select(Segment).filter_by(ready_made="lost")).one()
    assert "<h1>Lost</h1>" in desk.get(f"{SEGMENTS}/{lost.id}").text
    assert 'value="Lost"' in desk.get(f"{SEGMENTS}/{lost.id}/edit").text
    assert 'value="Lost (copy)"' in desk.get(f"{SEGMENTS}/new?copy={lost.id}").text

    again = post(desk, f"{SEGMENTS}/ready-made", follow_redirects=True)
    assert db.session.scalar(db.select(db.func.count(Segment.id))) == 6
    assert "taken by segments of your own" not in text(again)


def test_figures_are_not_worked_out_anew_under_an_approved_push(desk, chain, monkeypatch):
    post(desk, f"{SEGMENTS}/ready-made")
    lost = db.session.scalars(db.select(Segment).filter_by(ready_made="lost")).one()
    campaign = make_campaign(chain, audience=only_segment(lost.id))
    ann, ben, now = Author("staff:91"), Author("staff:92"), utc_now()
    with transaction():
        set_oversight(chain.id, Oversight(needs_approval=True), by=ann, now=now)
        approving.submit_campaign(chain.id, campaign.id, by=ann, now=now)
        approving.approve_campaign(chain.id, campaign.id, by=ben, now=now)
        campaigns.schedule_campaign(chain.id, campaign.id, by=ann, now=now)
    monkeypatch.setattr(rfm, "USUAL", rfm.USUAL._replace(late_days=200))

    answer = text(post(desk, f"{SEGMENTS}/ready-made", follow_redirects=True))

    assert "“周五” was approved for the people it means now" in answer
    db.session.expire_all()
    assert lost.rules["all"][0]["value"] == 180
    with transaction():
        campaigns.stop_campaign(chain.id, campaign.id, by=ann, now=now)
    post(desk, f"{SEGMENTS}/ready-made")
    db.session.expire_all()
    assert (lost.rules["all"][0]["value"], campaign.approved_at) == (200, None)


def test_the_list_counts_each_and_pages(desk, chain, monkeypatch):
    monkeypatch.setattr(pages, "PAGE", 2)
    make_member(make_store_code(make_store(chain)))
    kept = [keep(chain, name, {"all": []}).id for name in ("Alpha", "Beta", "Gamma")]

    first = desk.get(SEGMENTS)
    assert f'hx-get="{SEGMENTS}/{kept[2]}/count-preview"' in first.text
    assert "Alpha" not in text(first)
    assert "Alpha" in text(desk.get(f"{SEGMENTS}?after={kept[1]}"))
    assert desk.get(f"{SEGMENTS}/{kept[0]}/count-preview").text == "1"


def test_the_builder_and_the_count_come_as_parts_of_a_page(desk, chain):
    make_member(make_store_code(make_store(chain)))

    part = post(desk, f"{SEGMENTS}/builder", TYPED | {"rule_do": "group:r"})
    assert part.headers["HX-Trigger-After-Settle"] == "rules-changed"
    assert part.text.lstrip().startswith('<div class="rules" id="rules"')
    assert 'name="r_1-mode"' in part.text
    counted = text(post(desk, f"{SEGMENTS}/preview", TYPED | {"r_0-value": "3650"}))
    assert "1 member" in counted
    assert "Wallet inbox reaches 1" in counted
    assert "Nobody is meant" in text(post(desk, f"{SEGMENTS}/preview", TYPED | {"r_0-value": "1"}))
    assert "days lie between" in text(post(desk, f"{SEGMENTS}/preview", TYPED | {"r_0-value": "x"}))


def test_a_segment_whose_part_is_gone_says_so(desk, chain):
    kept = keep(chain)
    with transaction():
        db.session.get_one(Segment, kept.id).rules = {"all": [{"field": "tier", "op": "in", "value": [10**9]}]}

    page = desk.get(f"{SEGMENTS}/{kept.id}")

    assert page.status_code == 200
    assert "names a store or tier that is not there" in page.text


def test_an_analyst_reads_and_changes_nothing(client, chain):
    kept = keep(chain)
    sign_in(client, make_staff(chain, Role.HQ_ANALYST))

    assert "/edit" not in client.get(f"{SEGMENTS}/{kept.id}").text
    assert f"{SEGMENTS}/new" not in client.get(SEGMENTS).text
    assert post(client, f"{SEGMENTS}/{kept.id}/archive").status_code == 403
    assert client.get(f"{SEGMENTS}/new").status_code == 403


def test_all_of_its_members_are_seen_in_the_list_of_members(desk, client, chain):
    store = make_store(chain)
    code = make_store_code(store)
    make_member(code, name="甲乙", birthday="05-20")
    make_member(code, name="丙丁")
    kept = keep(chain, "May", {"all": [{"field": "birthday", "op": "in_month", "value": [5]}]})
    of_segment = desk.get(f"{SEGMENTS}/{kept.id}")
    assert f'href="/dashboard/members?segment={kept.id}"' in of_segment.text
    assert "See the 1 member" in text(of_segment)

    page = desk.get(f"/dashboard/members?segment={kept.id}").text
    assert ("甲乙" in page, "丙丁" in page) == (True, False)
    assert "Of the segment “May”: 1 member" in page
    assert f'name="segment" value="{kept.id}"' in page
    assert desk.get("/dashboard/members?segment=999999").status_code == 404
    for each in (of_segment.text, page):
        (csv,) = re.findall(r'href="([^"]*members\.csv[^"]*)"', each)
        assert csv == f"/reports/members.csv?segment={kept.id}"
        assert ("甲乙" in desk.get(csv).text, "丙丁" in desk.get(csv).text) == (True, False)
    sign_in(client, make_staff(chain, Role.STORE_MANAGER, (store,)))
    branch = client.get(f"/dashboard/members?segment={kept.id}").text  # segments are head office's
    assert ("2 members" in branch, "members.csv?segment" in branch) == (True, False)


def test_a_push_is_written_to_a_segment(desk, chain):
    kept = keep(chain, "May")
    assert f"segment={kept.id}" in desk.get(f"{SEGMENTS}/{kept.id}").text

    page = desk.get(f"/dashboard/campaigns/new?segment={kept.id}").text

    assert re.search(r'name="audience" value="saved"\s+checked', page)
    assert re.search(rf'<option value="{kept.id}"\s+selected', page)
