"""Quiet hours, against a model that simply walks through the night."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.audit import SYSTEM
from core.db import transaction
from push.timing.policies import DEFAULT, Policy, PolicyInvalid, get_policy, quiet_until, set_policy
from tests.factories import NOON, make_chain

SHANGHAI = "Asia/Shanghai"


def at(text, zone=SHANGHAI):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("moment", "release"),
    [
        pytest.param("2026-05-20T20:59:59", None, id="the last second of the evening"),
        pytest.param("2026-05-20T21:00", "2026-05-21T09:00", id="the first of the night"),
        pytest.param("2026-05-21T00:30", "2026-05-21T09:00", id="after midnight"),
        pytest.param("2026-05-21T08:59:59", "2026-05-21T09:00", id="the last of the night"),
        pytest.param("2026-05-21T09:00", None, id="the morning"),
    ],
)
def test_the_night_is_quiet_until_nine(moment, release):
    assert quiet_until(DEFAULT, SHANGHAI, now=at(moment)) == (release and at(release))


def test_the_same_hour_twice_means_no_quiet_hours():
    assert quiet_until(Policy(quiet_from=9, quiet_until=9), SHANGHAI, now=at("2026-05-20T09:30")) is None


def test_a_quiet_afternoon_ends_the_same_day():
    siesta = Policy(quiet_from=13, quiet_until=16)

    assert quiet_until(siesta, SHANGHAI, now=at("2026-05-20T14:00")) == at("2026-05-20T16:00")


def test_the_zone_is_the_members():
    moment = at("2026-05-20T22:00", SHANGHAI)

    assert quiet_until(DEFAULT, SHANGHAI, now=moment) is not None
    assert quiet_until(DEFAULT, "Europe/London", now=moment) is None  # 15:00 there


@given(
    zone=st.sampled_from([SHANGHAI, "America/New_York", "Europe/London", "Australia/Lord_Howe", "America/Santiago"]),
    policy=st.builds(Policy, st.integers(0, 23), st.integers(0, 23)),
    start=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),
)
def test_the_release_is_the_first_hour_that_is_not_quiet(zone, policy, start):
    now = start.replace(tzinfo=UTC, second=0, microsecond=0)

    def is_quiet(moment):
        hour = moment.astimezone(ZoneInfo(zone)).hour
        if policy.quiet_from == policy.quiet_until:
            return False
        hours = [(policy.quiet_from + n) % 24 for n in range((policy.quiet_until - policy.quiet_from) % 24)]
        return hour in hours

    release = quiet_until(policy, zone, now=now)

    if not is_quiet(now):
        assert release is None
        return
    assert release is not None
    walked = now
    while is_quiet(walked):
        walked += timedelta(minutes=1)
    assert release == walked


@pytest.mark.usefixtures("app")
class TestKept:
    def test_a_chain_begins_with_the_usual_manners(self):
        assert get_policy(make_chain().id) == DEFAULT

    def test_a_chains_own_manners_are_kept(self):
        chain = make_chain()
        for caps in ((2, 5), (3, 9)):
            with transaction():
                set_policy(chain.id, Policy(22, 8, *caps), by=SYSTEM, now=NOON)

        assert get_policy(chain.id) == Policy(22, 8, 3, 9)

    @pytest.mark.parametrize("policy", [Policy(24, 9), Policy(-1, 9), Policy(21, 9, 0, 3), Policy(21, 9, 4, 3)])
    def test_manners_that_make_no_sense_are_refused(self, policy):
        chain = make_chain()

        with pytest.raises(PolicyInvalid), transaction():
            set_policy(chain.id, policy, by=SYSTEM, now=NOON)
