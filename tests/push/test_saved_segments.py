"""Segments that head office keeps."""

import pytest

from core.audit import SYSTEM, list_entries
from core.db import transaction
from push import campaigns
from push.audiences import saved_segments
from push.audiences.saved_segments import archive_segment, change_segment, create_segment, get_segment, restore_segment
from push.audiences.segments import check_audience, count_reach
from push.errors import AudienceInvalid, SegmentInUse, SegmentNameInvalid, SegmentNameTaken, SegmentNotFound
from tests.factories import NOON, make_chain, make_store, make_store_code
from tests.push.pushing import make_campaign, make_member

pytestmark = pytest.mark.usefixtures("app")
RICH = {"all": [{"field": "points", "op": "at_least", "value": 100}]}


@pytest.fixture
def chain():
    return make_chain()


def made_of(segment):
    return {"all": [{"field": "segment", "op": "is", "value": segment.id}]}


def do(change, *values):
    with transaction():
        return change(*values, by=SYSTEM, now=NOON)


def keep(chain, name="积分多", rules=RICH):
    return do(create_segment, chain.id, name, rules)


def test_a_segment_is_kept_under_its_name_and_noted(chain):
    kept = keep(chain, "  积分\n多 ")

    assert (kept.name, kept.rules, kept.ready_made, kept.archived_at) == ("积分 多", RICH, None, None)
    (entry,) = list_entries(chain.id)
    assert (entry.action, entry.object_id) == ("segment created", kept.id)
    assert entry.after == {"name": "积分 多", "audience": RICH}


@pytest.mark.parametrize("name", ["", " \n", "\0", "长" * 61])
def test_a_name_fits_into_a_line(chain, name):
    with pytest.raises(SegmentNameInvalid):
        keep(chain, name)


def test_rules_are_checked(chain):
    with pytest.raises(AudienceInvalid):
        keep(chain, rules={"any": []})


def test_a_name_is_taken_by_a_standing_segment_of_the_chain_only(chain):
    first = keep(chain)
    keep(make_chain("other"))
    with pytest.raises(SegmentNameTaken):
        keep(chain)
    do(archive_segment, chain.id, first.id)
    second = keep(chain)

    assert [each.id for each in saved_segments.list_segments(chain.id)] == [second.id]
    with pytest.raises(SegmentNameTaken):
        do(restore_segment, chain.id, first.id)


def test_what_is_changed_counts_for_every_campaign_made_of_it(chain):
    code = make_store_code(make_store(chain))
    make_member(code)
    kept = keep(chain)
    campaign = make_campaign(chain, audience=made_of(kept))
    assert count_reach(chain, campaign.audience, [], now=NOON).members == 0

    changed = do(change_segment, chain.id, kept.id, "全部", {"all": []})

    assert (changed.name, changed.rules) == ("全部", {"all": []})
    assert count_reach(chain, campaign.audience, [], now=NOON).members == 1
    newest = list_entries(chain.id)[0]
    assert (newest.action, newest.before, newest.after) == (
        "segment changed", {"name": "积分多", "audience": RICH}, {"name": "全部", "audience": {"all": []}},
    )  # fmt: skip


def test_a_name_of_another_segment_is_refused_when_it_is_changed(chain):
    keep(chain, "甲")
    other = keep(chain, "乙")

    with pytest.raises(SegmentNameTaken):
        do(change_segment, chain.id, other.id, "甲", RICH)
    assert get_segment(chain.id, other.id).name == "乙"


def test_two_segments_cannot_come_to_contain_each_other(chain):
    inner = keep(chain, "甲")
    outer = keep(chain, "乙", made_of(inner))

    with pytest.raises(AudienceInvalid):
        do(change_segment, chain.id, inner.id, "甲", made_of(outer))
    with pytest.raises(AudienceInvalid):
        do(change_segment, chain.id, inner.id, "甲", made_of(inner))


def test_rules_count_with_those_of_the_segments_they_name(chain):
    many = keep(chain, "六十", {"all": [RICH["all"][0]] * 60})
    four = [made_of(many)["all"][0]] * 4

    assert check_audience(chain.id, {"all": four[:3]})
    with pytest.raises(AudienceInvalid):
        check_audience(chain.id, {"all": four})


def test_what_is_used_cannot_be_put_away(chain):
    kept = keep(chain)
    around = keep(chain, "外层", {"not": made_of(kept)})
    campaign = make_campaign(chain, audience=made_of(around))

    with pytest.raises(SegmentInUse) as refusal:
        do(archive_segment, chain.id, kept.id)
    assert refusal.value.say("en") == "It is still used by “外层”. Choose another one there first."
    with pytest.raises(SegmentInUse):
        do(archive_segment, chain.id, around.id)
    assert [each.id for each in saved_segments.campaigns_of(chain.id, kept.id)] == [campaign.id]

    do(campaigns.cancel_campaign, chain.id, campaign.id)
    do(archive_segment, chain.id, around.id)
    do(archive_segment, chain.id, kept.id)
    assert saved_segments.list_segments(chain.id) == []


def test_putting_away_and_taking_out_twice_change_nothing_more(chain):
    kept = keep(chain)
    for change in (archive_segment, archive_segment, restore_segment, restore_segment):
        do(change, chain.id, kept.id)

    assert get_segment(chain.id, kept.id).archived_at is None
    assert [entry.action for entry in list_entries(chain.id)] == [
        "segment restored", "segment archived", "segment created",
    ]  # fmt: skip


def test_a_segment_whose_part_is_gone_is_not_taken_out_again(chain):
    inner = keep(chain, "甲")
    outer = keep(chain, "乙", made_of(inner))
    do(archive_segment, chain.id, outer.id)
    do(archive_segment, chain.id, inner.id)

    with pytest.raises(AudienceInvalid):
        do(restore_segment, chain.id, outer.id)


def test_an_archived_or_another_chains_segment_is_not_changed(chain):
    kept = keep(chain)
    other = make_chain("other")
    with pytest.raises(SegmentNotFound):
        do(change_segment, other.id, kept.id, "乙", RICH)
    with pytest.raises(SegmentNotFound):
        do(archive_segment, other.id, kept.id)
    do(archive_segment, chain.id, kept.id)
    with pytest.raises(SegmentNotFound):
        do(change_segment, chain.id, kept.id, "乙", RICH)


def test_the_list_pages_by_id(chain):
    kept = [keep(chain, name).id for name in "甲乙丙"]

    assert [each.id for each in saved_segments.list_segments(chain.id, limit=2)] == kept[:0:-1]
    assert [each.id for each in saved_segments.list_segments(chain.id, after=kept[1])] == kept[:1]
