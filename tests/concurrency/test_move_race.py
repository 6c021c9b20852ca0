"""Members join below a sub-tree while it moves: each stands below the old place or the new one, never beside them.

And the proof that the race is real.
"""

import time
from threading import Event, Thread

import pytest
from sqlalchemy import func, select

from app.verifying import verify_books
from core.audit import SYSTEM
from core.db import db, transaction
from core.hot import one_action
from sharing import attribution, errors, joining, linking, moving
from sharing.models import Referral
from tests.concurrency.racing import race
from tests.factories import in_days, make_card, make_wallet, save
from tests.sharing.referring import Circle

RACERS, ROUNDS = 16, 4


@pytest.fixture
def circle(app):
    return Circle()


def move(chain_id, member_id, referrer_id):
    with transaction():
        return moving.move_subtree(chain_id, member_id, referrer_id, reason="race", by=SYSTEM, now=in_days(1))


def join(token, wallet_id):
    with one_action() as hot:
        return joining.join_by_link(hot, token, wallet_id=wallet_id, visitor="v", language="zh", now=in_days(2))


def share(chain_id, card_id):
    with one_action() as hot:
        return linking.create_link(hot, chain_id, card_id, "group", now=in_days(2)).token


def out_of_place() -> int:
    return sum(finding.problems for finding in verify_books() if finding.check.name == "referral_paths")


def edges() -> int:
    db.session.rollback()  # look at it anew
    return db.session.scalar(select(func.count(Referral.id)))


def line_of(member_id) -> list[int]:
    db.session.rollback()
    path = db.session.scalar(select(Referral.path).filter_by(member_id=member_id))
    return [int(path[at : at + 10], 16) for at in range(0, len(path), 10)]


def join_in_a_line(chain_id, token, wallets):
    """Each below the one before."""
    for wallet_id in wallets:
        joined = join(token, wallet_id)
        token = share(chain_id, joined.card_id)


@pytest.mark.parametrize("came", ["through somebody", "by himself"])
def test_everybody_who_joins_below_a_moving_subtree_stands_in_his_place(app, circle, came):
    first, second = circle.member(), circle.member()
    moved = circle.friend(first) if came == "through somebody" else circle.member(now=in_days(0.5))
    child = circle.friend(moved, now=in_days(0.6))
    tokens = [circle.share(moved).token, circle.share(child).token]
    wallets = [[make_wallet() for _ in range(ROUNDS)] for _ in range(RACERS)]
    places = [second.member_id, None, first.member_id]
    before, chain_id = edges(), circle.chain.id

    def attempt(number):
        if number % 4 == 3:  # a mover
            for turn in range(ROUNDS):
                try:
                    move(chain_id, moved.member_id, places[(number // 4 + turn) % 3])
                except (errors.ReferrerUnchanged, errors.TreeBusy):
                    continue
            return None
        join_in_a_line(chain_id, tokens[number % 2], wallets[number])
        return None

    assert race(app, attempt, racers=RACERS) == [None] * RACERS

    db.session.rollback()
    has_edge = db.session.scalar(select(Referral.id).filter_by(member_id=moved.member_id)) is not None
    assert edges() == before - (came == "through somebody") + RACERS * 3 // 4 * ROUNDS + has_edge
    assert out_of_place() == 0


def test_two_corrections_at_once_close_no_loop(app, circle):
    """A below B and B below A: one of them is refused."""
    first, second = circle.member(), circle.member()
    pair = [(first.member_id, second.member_id), (second.member_id, first.member_id)]

    results = race(app, lambda number: move(circle.chain.id, *pair[number]), racers=2)

    assert sorted(map(str, results), key=len)[0] == "referral_loop"
    assert (edges(), out_of_place()) == (1, 0)


class Meanwhile:
    """A friend joins while a mover has done everything but commit."""

    def __init__(self, app, circle) -> None:
        self.app, self.circle = app, circle
        self.first, self.second = circle.member(), circle.member()
        self.token = circle.share(self.first).token
        self.wallet_id = make_wallet()
        self.member_id: int | None = None

    def happens(self) -> bool:
        """Whether the friend had to wait."""
        has_moved, may_commit = Event(), Event()

        def mover():
            with self.app.app_context(), transaction():
                who = (self.circle.chain.id, self.first.member_id, self.second.member_id)
                moving.move_subtree(*who, reason="race", by=SYSTEM, now=in_days(1))
                db.session.flush()
                has_moved.set()
                may_commit.wait(10)

        def friend():
            with self.app.app_context():
                self.member_id = join(self.token, self.wallet_id).member_id

        threads = [Thread(target=mover), Thread(target=friend)]
        threads[0].start()
        assert has_moved.wait(10)
        threads[1].start()
        time.sleep(0.3)
        has_waited = threads[1].is_alive()
        may_commit.set()
        for thread in threads:
            thread.join(20)
        return has_waited

    def looks_then_joins(self) -> None:
        link = self.circle.share(self.first)
        path = attribution.path_step(self.first.member_id)
        move(self.circle.chain.id, self.first.member_id, self.second.member_id)
        friend = make_card(self.circle.code, wallet_id=self.wallet_id)
        self.member_id = friend.member_id
        above = {"referrer_id": self.first.member_id, "root_id": self.first.member_id, "share_link_id": link.id}
        place = {"depth": 1, "path": path + attribution.path_step(friend.member_id), "channel": link.channel}
        who = {"chain_id": friend.chain_id, "member_id": friend.member_id, "card_id": friend.id}
        save(Referral(**who, **above, **place, created_at=in_days(2)))


def test_a_friend_who_joins_meanwhile_waits_and_stands_below_the_new_place(app, circle):
    meanwhile = Meanwhile(app, circle)

    assert meanwhile.happens()

    assert line_of(meanwhile.member_id) == [
        meanwhile.second.member_id,
        meanwhile.first.member_id,
        meanwhile.member_id,
    ]
    assert out_of_place() == 0


def test_a_friend_who_joins_while_the_subtree_is_rewritten_does_not_wait_and_moves_along(app, circle, monkeypatch):
    first, second = circle.member(), circle.member()
    token, wallet_id, joined = circle.share(first).token, make_wallet(), []
    real = moving._lock

    def lock(mode):
        if mode == moving.WHOEVER_JOINS:
            friend = Thread(target=in_a_context, args=(app, lambda: joined.append(join(token, wallet_id).member_id)))
            friend.start()
            friend.join(5)
        real(mode)

    if db.engine.dialect.name == "postgresql":  # on SQLite one writes after the other
        monkeypatch.setattr(moving, "_lock", lock)
    moved = move(circle.chain.id, first.member_id, second.member_id)
    if not joined:
        joined.append(join(token, wallet_id).member_id)

    assert line_of(joined[0]) == [second.member_id, first.member_id, joined[0]]
    assert moved.members == (2 if db.engine.dialect.name == "postgresql" else 1)
    assert out_of_place() == 0


def in_a_context(app, work):
    with app.app_context():
        work()


def test_control_the_race_is_real(app, circle, database, monkeypatch):
    """Without the lock a friend joins below the old place, and stays there.

    If this fails, the tests above prove nothing.
    """
    meanwhile = Meanwhile(app, circle)
    if database == "sqlite":  # an open transaction is the lock: here the friend looks around before it
        meanwhile.looks_then_joins()
    else:
        monkeypatch.setattr(moving, "_lock", lambda mode: None)
        assert not meanwhile.happens()

    assert line_of(meanwhile.member_id) == [meanwhile.first.member_id, meanwhile.member_id]
    assert out_of_place() == 1
