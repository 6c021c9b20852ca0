"""Verdicts, findings that people dismiss or make, settings of a chain, and what reviewers are shown."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from core.audit import SYSTEM, AuditEntry, Author
from core.db import db, transaction
from sharing import fraud, fraud_queries
from sharing.fraud import FindingNotFound, ReferralNotFound, Verdict
from sharing.fraud_sentences import ACTIONS, MEANINGS, NAMES, SENTENCES, THRESHOLDS, explain
from sharing.fraud_settings import DEFAULTS, FraudSettingInvalid, Setting, get_settings, set_settings
from sharing.reward_models import FraudAction, FraudFinding, FraudRule
from sharing.traces import Trace
from tests.concurrency.racing import race
from tests.factories import NOON, in_days
from tests.sharing.referring import Circle, referral_of

pytestmark = pytest.mark.usefixtures("app")

PHONE = "+8613800000001"
MINUTE = timedelta(minutes=1)
REVIEWER = Author("staff:7")
FLAG, REJECT, OFF = FraudAction.FLAG, FraudAction.REJECT, FraudAction.OFF


@pytest.fixture
def circle():
    return Circle()


@pytest.fixture
def sharer(circle):
    return circle.member()


@pytest.fixture
def suspect(circle, sharer):
    """A friend who joined on the very phone where the link was made."""
    return circle.friend(circle.share(sharer, trace=Trace("phone", "home")), trace=Trace("phone", "home"))


def judged(card, *, now=NOON):
    with transaction():
        return fraud.judge(card.chain_id, referral_of(card), now=now)


def findings(card):
    return list(db.session.scalars(select(FraudFinding).filter_by(referral_id=referral_of(card)).order_by("id")))


def dismiss_all(card, reason="they share a home"):
    with transaction():
        return fraud.dismiss_all(card.chain_id, referral_of(card), reason=reason, by=REVIEWER, now=NOON + MINUTE)


def set_rule(chain, rule, action, threshold=None):
    with transaction():
        return set_settings(chain.id, [(rule, Setting(action, threshold))], by=REVIEWER, now=NOON)


def audited(action):
    return list(db.session.scalars(select(AuditEntry).filter_by(action=action).order_by(AuditEntry.id)))


# --- verdicts and findings ------------------------------------------------------------------------------------------


def test_judging_again_changes_nothing(suspect):
    verdicts = {judged(suspect, now=NOON + n * MINUTE) for n in range(3)}

    assert verdicts == {Verdict(FLAG, FraudRule.OWN_DEVICE)}
    (finding,) = findings(suspect)
    assert finding.found_at == NOON


def test_the_strictest_finding_is_the_verdict(circle, sharer, suspect):
    circle.phone(sharer, PHONE)
    circle.phone(suspect, PHONE)

    assert judged(suspect) == Verdict(REJECT, FraudRule.OWN_PHONE)
    assert {finding.rule for finding in findings(suspect)} == {FraudRule.OWN_PHONE, FraudRule.OWN_DEVICE}


def test_a_finding_stands_when_its_cause_is_hidden_afterwards(circle, sharer, suspect):
    circle.phone(sharer, PHONE)
    circle.phone(suspect, PHONE)
    judged(suspect)
    circle.phone(suspect, "+8613800000002")

    assert judged(suspect) == Verdict(REJECT, FraudRule.OWN_PHONE)


def test_a_finding_tells_what_is_seen_now(circle):
    first = circle.friend(circle.member(), trace=Trace("phone", "home"))
    for n in range(1, 4):
        circle.friend(circle.member(), trace=Trace("phone", "home"), now=NOON + n * MINUTE)
        judged(first)

    (finding,) = findings(first)
    assert finding.evidence["joins"] == 4


def test_another_chain_cannot_judge_or_dismiss_a_referral(circle, suspect):
    other = Circle("other").chain
    judged(suspect)
    (finding,) = findings(suspect)
    who = {"reason": "x", "by": REVIEWER, "now": NOON}

    with pytest.raises(ReferralNotFound), transaction():
        fraud.judge(other.id, referral_of(suspect), now=NOON)
    with pytest.raises(ReferralNotFound), transaction():
        fraud.find_wrong(other.id, referral_of(suspect), **who)
    with pytest.raises(FindingNotFound), transaction():
        fraud.dismiss(other.id, finding.id, **who)
    with transaction():
        assert fraud.dismiss_all(other.id, referral_of(suspect), **who) == 0
    assert judged(suspect) == Verdict(FLAG, FraudRule.OWN_DEVICE)


def test_evidence_is_figures_and_ids(circle, sharer, suspect):
    """No name, number, hash or address: a person's own words are the only text."""
    circle.phone(sharer, PHONE)
    circle.phone(suspect, PHONE)
    for n in range(12):
        circle.friend(sharer, trace=Trace("phone", "home"), now=NOON + n * MINUTE)
    judged(suspect, now=in_days(20))

    assert len(findings(suspect)) >= 5
    for finding in findings(suspect):
        values = [value for value in finding.evidence.values() if not isinstance(value, list)]
        values += [each for value in finding.evidence.values() if isinstance(value, list) for each in value]
        assert all(isinstance(value, int) or value in ("phone", "device") for value in values)


def test_parallel_judges_write_one_finding(app, suspect):
    referral_id, chain_id = referral_of(suspect), suspect.chain_id

    def judge(_number):
        with transaction():
            return fraud.judge(chain_id, referral_id, now=NOON)

    assert set(race(app, judge, racers=8)) == {Verdict(FLAG, FraudRule.OWN_DEVICE)}
    db.session.rollback()
    assert db.session.scalar(select(func.count(FraudFinding.id))) == 1


# --- people ---------------------------------------------------------------------------------------------------------


def test_a_dismissed_finding_never_returns(circle, suspect):
    judged(suspect)
    assert dismiss_all(suspect) == 1

    assert judged(suspect) is None
    set_rule(circle.chain, FraudRule.OWN_DEVICE, REJECT)
    assert judged(suspect, now=in_days(30)) is None
    (finding,) = findings(suspect)
    assert (finding.action, finding.dismissed_by, finding.dismiss_reason) == (FLAG, "staff:7", "they share a home")


def test_another_rule_may_still_speak_after_a_dismissal(circle, sharer, suspect):
    judged(suspect)
    dismiss_all(suspect)
    circle.phone(sharer, PHONE)
    circle.phone(suspect, PHONE)

    assert judged(suspect) == Verdict(REJECT, FraudRule.OWN_PHONE)


def test_one_finding_is_dismissed_and_the_others_stand(circle, sharer, suspect):
    circle.phone(sharer, PHONE)
    circle.phone(suspect, PHONE)
    judged(suspect)
    phone = next(finding for finding in findings(suspect) if finding.rule == FraudRule.OWN_PHONE)
    with transaction():
        referral_id = fraud.dismiss(circle.chain.id, phone.id, reason="twins", by=REVIEWER, now=NOON)

    assert referral_id == referral_of(suspect)
    assert judged(suspect) == Verdict(FLAG, FraudRule.OWN_DEVICE)


def test_a_dismissal_is_done_once_and_written_down(app, circle, suspect):
    judged(suspect)
    (finding,) = findings(suspect)

    def dismiss(_number):
        with transaction():
            return fraud.dismiss(circle.chain.id, finding.id, reason="known", by=REVIEWER, now=NOON)

    answers = race(app, dismiss, racers=4)
    db.session.rollback()
    assert sorted(map(str, answers)) == sorted([str(referral_of(suspect)), *["fraud_finding_not_found"] * 3])
    (entry,) = audited("fraud finding dismissed")
    assert (entry.actor, entry.object_kind, entry.object_id) == ("staff:7", "referral", referral_of(suspect))
    assert entry.after == {"rules": ["own_device"], "reason": "known"}


def test_dismissing_nothing_is_nothing(circle, sharer):
    friend = circle.friend(sharer)

    assert dismiss_all(friend) == 0
    assert audited("fraud finding dismissed") == []


def find_wrong(card, reason="all of one hand"):
    with transaction():
        return fraud.find_wrong(card.chain_id, referral_of(card), reason=reason, by=REVIEWER, now=NOON)


def test_what_a_person_finds_wrong_is_rejected(circle, sharer):
    friend = circle.friend(sharer)

    assert find_wrong(friend) == Verdict(REJECT, FraudRule.PERSON)
    assert judged(friend) == Verdict(REJECT, FraudRule.PERSON)
    assert findings(friend)[0].evidence == {"by": "staff:7", "reason": "all of one hand"}
    assert audited("referral found wrong")[0].after == {"reason": "all of one hand"}


def test_a_person_may_change_his_mind_twice(circle, sharer):
    friend = circle.friend(sharer)
    find_wrong(friend)
    dismiss_all(friend)
    assert judged(friend) is None

    find_wrong(friend, "after all")
    assert judged(friend) == Verdict(REJECT, FraudRule.PERSON)
    (finding,) = findings(friend)
    assert (finding.dismissed_at, finding.evidence["reason"]) == (None, "after all")


# --- settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("action", "verdict"), [(OFF, None), (FLAG, FLAG), (REJECT, REJECT)])
def test_a_chain_says_what_is_done_where_a_rule_is_broken(circle, suspect, action, verdict):
    set_rule(circle.chain, FraudRule.OWN_DEVICE, action)

    found = judged(suspect)
    assert (found and found.action) == verdict
    assert len(findings(suspect)) == (action != OFF)


def test_what_was_found_before_a_rule_was_switched_off_does_not_count(circle, suspect):
    judged(suspect)
    set_rule(circle.chain, FraudRule.OWN_DEVICE, OFF)
    assert judged(suspect) is None

    set_rule(circle.chain, FraudRule.OWN_DEVICE, REJECT)
    assert judged(suspect) == Verdict(REJECT, FraudRule.OWN_DEVICE)


def test_a_chain_says_from_how_many_on(circle, sharer):
    set_rule(circle.chain, FraudRule.VELOCITY, REJECT, 2)
    first = circle.friend(sharer)
    assert judged(first) is None

    circle.friend(sharer, now=NOON + MINUTE)
    assert judged(first) == Verdict(REJECT, FraudRule.VELOCITY)


def test_another_chain_keeps_its_own_settings(circle):
    other = Circle("other").chain
    set_rule(circle.chain, FraudRule.VELOCITY, OFF, 5)

    assert get_settings(circle.chain.id)[FraudRule.VELOCITY] == Setting(OFF, 5)
    assert get_settings(other.id) == DEFAULTS


def test_every_chain_begins_with_what_is_written(circle):
    assert list(DEFAULTS) == [rule for rule in FraudRule if rule != FraudRule.PERSON]
    assert {rule for rule, setting in DEFAULTS.items() if setting.action == REJECT} == {
        FraudRule.OWN_PHONE,
        FraudRule.EXISTING_MEMBER,
    }


def test_a_change_of_settings_is_written_down_and_no_change_is_not(circle):
    for _ in range(2):
        set_rule(circle.chain, FraudRule.FARM, REJECT, 20)

    (entry,) = audited("fraud rules changed")
    assert entry.before == {"farm": {"action": "flag", "threshold": 10}}
    assert entry.after == {"farm": {"action": "reject", "threshold": 20}}


@pytest.mark.parametrize(
    ("rule", "setting"),
    [
        (FraudRule.PERSON, Setting(OFF)),
        (FraudRule.OWN_PHONE, Setting(FLAG, 3)),
        (FraudRule.VELOCITY, Setting(FLAG)),
        (FraudRule.VELOCITY, Setting(FLAG, 1)),
        (FraudRule.VELOCITY, Setting(FLAG, 10_001)),
        (FraudRule.VELOCITY, Setting("perhaps", 5)),
    ],
)
def test_settings_that_make_no_sense_are_refused(circle, rule, setting):
    with pytest.raises(FraudSettingInvalid), transaction():
        set_settings(circle.chain.id, [(rule, setting)], by=SYSTEM, now=NOON)


# --- what reviewers are shown ---------------------------------------------------------------------------------------


def test_open_findings_are_listed_newest_first_a_page_at_a_time(circle):
    cards = [circle.friend(circle.share(circle.member(), trace=Trace(f"{n}")), trace=Trace(f"{n}")) for n in range(3)]
    for card in cards:
        judged(card)
    dismiss_all(cards[0])

    first = fraud_queries.list_open(circle.chain.id, limit=1)
    rest = fraud_queries.list_open(circle.chain.id, before=first[0].finding.id)
    assert [each.referral.member_id for each in first + rest] == [cards[2].member_id, cards[1].member_id]
    assert fraud_queries.list_open(circle.chain.id, rule=FraudRule.FARM) == []
    assert fraud_queries.list_open(Circle("other").chain.id) == []
    assert fraud_queries.count_open(circle.chain.id) == {"own_device": 2}


def test_everything_found_on_a_referral_is_kept_for_the_record(circle, suspect):
    judged(suspect)
    dismiss_all(suspect)
    find_wrong(suspect)

    (found,) = fraud_queries.findings_of(circle.chain.id, [referral_of(suspect)]).values()
    assert [(finding.rule, finding.dismissed_at is None) for finding in found] == [
        ("own_device", False),
        ("person", True),
    ]


def members_of(finding):
    return [each.member_id for each in fraud_queries.companions(finding.chain_id, finding)]


def test_a_cluster_shows_who_is_in_it_and_who_bought(circle):
    cards = [circle.friend(circle.member(), trace=Trace("phone"), now=NOON + n * MINUTE) for n in range(4)]
    circle.friend(circle.member(), trace=Trace("another"))
    circle.buy(cards[1], now=in_days(1))
    judged(cards[0])

    (finding,) = findings(cards[0])
    companions = fraud_queries.companions(circle.chain.id, finding)
    assert [each.member_id for each in companions] == [card.member_id for card in cards]
    assert [each.has_bought for each in companions] == [False, True, False, False]
    assert [each.number for each in companions] == [card.number for card in cards]


def test_a_loop_shows_the_line_from_above_down_to_the_friend(circle, sharer):
    first = circle.friend(circle.share(sharer, trace=Trace("phone")))
    second = circle.friend(first)
    last = circle.friend(second, trace=Trace("phone"))
    judged(last)

    (finding,) = findings(last)
    assert members_of(finding) == [card.member_id for card in (sharer, first, second, last)]


def test_a_farm_shows_the_friends_who_never_bought(circle, sharer):
    cards = [circle.friend(sharer, now=NOON + n * timedelta(hours=1)) for n in range(11)]
    judged(cards[0], now=in_days(20))

    (finding,) = findings(cards[0])
    assert members_of(finding) == [card.member_id for card in cards]


def test_two_people_of_one_phone_are_shown_together(circle, sharer, suspect):
    circle.phone(sharer, PHONE)
    circle.phone(suspect, PHONE)
    judged(suspect)

    assert [members_of(finding) for finding in findings(suspect)] == [[sharer.member_id, suspect.member_id]] * 2


EVIDENCE = {
    FraudRule.OWN_PHONE: {"member_id": 1, "proved": True},
    FraudRule.EXISTING_MEMBER: {"member_id": 1, "proved": False},
    FraudRule.OWN_DEVICE: {"share_link_id": 1, "minutes": 90},
    FraudRule.DEVICE_CLUSTER: {"joins": 4, "threshold": 3, "referrers": 1, "minutes": 3000, "others": 1},
    FraudRule.NETWORK_CLUSTER: {"joins": 12, "threshold": 10, "referrers": 1, "minutes": 200},
    FraudRule.VELOCITY: {"joins": 12, "threshold": 11, "referrers": 1, "minutes": 0},
    FraudRule.CLOSED_LOOP: {"by": "device", "member_id": 1, "generations": 2},
    FraudRule.FARM: {"friends": 12, "buyers": 0, "days": 14, "threshold": 10},
    FraudRule.PERSON: {"by": "staff:7", "reason": "{all} of one hand"},
}


@pytest.mark.parametrize("rule", list(FraudRule))
def test_every_rule_says_what_it_is_and_what_it_saw_in_both_languages(rule):
    said = [NAMES[rule], MEANINGS[rule], explain(rule, EVIDENCE[rule])]

    for text in said:
        assert any("\u4e00" <= letter <= "\u9fff" for letter in text.zh)
        assert not text.en[0].islower()
        assert text.say("en")


def test_the_sentences_tell_the_figures():
    device = explain("device_cluster", EVIDENCE[FraudRule.DEVICE_CLUSTER])
    assert device.en == (
        "4 people joined within 2 days on what looks like one phone (all brought by one referrer); 1 person joined"
        " there on other phones. The rule begins at 3."
    )
    assert (
        device.zh == "在 2 天内，有 4 人在看起来一样的手机上入会（都由同一人推荐），同一网络另有 1 人。规则从 3 人起。"
    )
    assert explain("own_device", {"referral_id": 3}).en != explain("own_device", EVIDENCE[FraudRule.OWN_DEVICE]).en
    assert "2 hours before" in explain("own_device", {"share_link_id": 1, "minutes": 121}).en
    assert "phone number" in explain("closed_loop", {"by": "phone", "generations": 2, "proved": True}).en


def test_nothing_is_left_unsaid():
    assert set(NAMES) == set(MEANINGS) == set(SENTENCES) == set(FraudRule)
    assert set(ACTIONS) == set(FraudAction)
    assert set(THRESHOLDS) == {rule for rule, setting in DEFAULTS.items() if setting.threshold}
