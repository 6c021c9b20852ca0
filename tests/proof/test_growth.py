"""A drawn history is one that could have been; replayed it is found again; what is spoiled in it is seen."""

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete, select, update

from core.db import db, transaction
from proof import compare, growth, history, replay
from proof.history import CHAINS, NOBODY, QUIET, Act, Way
from proof.table import Table
from sharing.models import Referral, ShareLink

MEMBERS = 300


@pytest.fixture
def drawn() -> history.History:
    return history.draw(5_000, seed=11)


def test_the_same_seed_draws_the_same_history(drawn):
    again, other = history.draw(5_000, seed=11), history.draw(5_000, seed=12)

    assert all((getattr(again, name) == column).all() for name, column in vars(drawn).items())
    assert not np.array_equal(other.parent, drawn.parent)


def test_a_history_holds_all_that_it_is_for(drawn):
    children = np.bincount(drawn.parent[drawn.is_referred])

    assert drawn.depth.max() >= 30
    assert children.max() > 20
    assert all((drawn.way == way).sum() > 50 for way in Way)
    assert all((drawn.act == act).any() for act in Act)
    assert 0 < drawn.act_counts.sum() < (drawn.act == Act.OPEN).sum()
    assert (np.bincount(drawn.wallet) == 2).any()


def test_whoever_scans_a_code_where_it_wins_was_brought_by_nobody(drawn):
    wins = np.array([rule.store_code_wins for rule in CHAINS])[drawn.chain]
    by_code = drawn.way == Way.CODE

    assert (drawn.parent[wins & by_code] == NOBODY).all()
    assert (drawn.parent[~wins & by_code] != NOBODY).all()
    assert (drawn.parent[drawn.way == Way.LATE] == NOBODY).all()


def test_nothing_in_a_history_comes_before_its_cause(drawn):
    opens = np.flatnonzero(drawn.act == Act.OPEN)
    links = drawn.act_link[opens]
    referred = np.flatnonzero(drawn.is_referred)
    parent = drawn.parent[referred]

    assert (drawn.created > drawn.joined[drawn.owner]).all()
    assert (drawn.act_at[opens] > drawn.created[links]).all()
    assert (drawn.act_wave[opens] > drawn.wave[drawn.owner[links]]).all()
    assert (drawn.joined[referred] > drawn.created[drawn.via[referred]]).all()
    assert (drawn.owner[drawn.via[referred]] == parent).all()
    assert (drawn.depth[referred] == drawn.depth[parent] + 1).all()
    assert (drawn.root[referred] == drawn.root[parent]).all()


def test_an_opening_counts_when_half_an_hour_has_passed_since_the_last_that_did():
    minutes = np.array([0, 10, 29, 30, 59, 60, 0, 5]) * QUIET // 30
    people = np.array([1, 1, 1, 1, 1, 1, 2, 2])
    links = np.array([7, 7, 7, 7, 7, 7, 7, 8])
    counts = history._counted(np.ones(8, dtype=np.bool_), people, links, minutes)

    assert counts.tolist() == [True, False, False, True, False, True, True, True]


@pytest.mark.slow
def test_a_history_replayed_by_several_processes_gives_back_its_tree_and_its_figures(app, tmp_path):
    table = Table()
    url = app.config["SQLALCHEMY_DATABASE_URI"]
    growth.grow(table, url, tmp_path, members=MEMBERS, processes=2, seed=4)

    assert len(table.lines) > 12
    assert [line for line in table.lines if not line["ok"]] == []


def test_edges_that_are_wrong_or_missing_are_found(app, tmp_path):
    ground, truth = replayed_here(app, tmp_path)
    with transaction():
        edge = db.session.scalars(select(Referral).where(Referral.depth == 2)).first()
        other = db.session.scalar(select(ShareLink.id).where(ShareLink.id != edge.share_link_id).limit(1))
        leaf = db.session.scalars(select(Referral).order_by(Referral.depth.desc()).limit(1)).one()
        db.session.execute(update(Referral).where(Referral.id == edge.id).values(share_link_id=other))
        db.session.execute(delete(Referral).where(Referral.id == leaf.id))

    table = Table()
    compare.compare(table, truth, ground, replay.lived(tmp_path))
    line = next(line for line in table.lines if str(line["what"]).startswith("edges"))
    assert not line["ok"]
    assert str(line["got"]).endswith("1 wrong, 1 missing")


def replayed_here(app, folder: Path) -> tuple[replay.Ground, history.History]:
    """A history replayed by this process alone."""
    drawn = history.draw(MEMBERS, seed=5)
    ground = growth.lay_ground(app.config["SQLALCHEMY_DATABASE_URI"], folder)
    replay.prepare(drawn, folder, 1)
    hand = replay.Hand(ground, 0, 1, [0, 0])
    for wave in range(drawn.waves):
        hand.make_links(wave)
        hand.live(wave)
    return ground, drawn
