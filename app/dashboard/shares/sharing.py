"""Sharing: how the chain's cards spread in a period, what each figure means, and who spread them."""

from collections import Counter
from typing import Any, NamedTuple

from flask import Blueprint, render_template, request, url_for
from flask_babel import gettext as _

from app.auth.guard import MANAGERS, access, require_staff
from app.dashboard.shares import sharing_words as words
from app.dashboard.shares.sharing_asked import Asked, periods, read_asked
from app.languages import say
from core.clock import utc_now
from core.text import Text
from sharing import branching, propagation
from sharing.branching import Flow, StoreNumbers
from sharing.channels import words_of
from sharing.definitions import DEFINITIONS
from sharing.equal_age import compare_spending
from sharing.propagation import KFactor
from sharing.spreaders import Spreader, top_spreaders

bp = Blueprint("sharing", __name__, url_prefix="/dashboard/sharing", template_folder="../templates")
bp.before_request(require_staff)

TOP = 10
PAGE = 50
AT_ONCE = 50_000  # members or visits that are counted in no time
STORES_DRAWN = 8
GENERATIONS_DRAWN = 5


class Group(NamedTuple):
    """A line of the chart of K-factors."""

    name: str
    k: KFactor


@bp.get("")
@access(*MANAGERS)
def index() -> str:
    """The figures of a period, each with its definition.

    Where there is much to count, the page stands first and asks for its figures then; ``whole`` waits for them.
    """
    asked = read_asked()
    is_whole = "whole" in request.args or not propagation.has_much(*asked.period, more_than=AT_ONCE)
    return render_template(
        "dashboard/sharing/index.html",
        nav="shares",
        asked=asked,
        periods=periods(asked),
        is_whole=is_whole,
        figures_url=url_for("sharing.figures", **asked.query),
        spending_url=url_for("sharing.spending", **asked.query),
        whole_url=url_for("sharing.index", whole=1, **asked.query),
        **(_figures(asked) | _spending(asked) if is_whole else {}),
    )


@bp.get("/figures")
@access(*MANAGERS)
def figures() -> str:
    """The part of the page that counts members, links and visits."""
    asked = read_asked()
    return render_template("dashboard/sharing/_figures.html", asked=asked, **_figures(asked))


@bp.get("/spending")
@access(*MANAGERS)
def spending() -> str:
    """The part of the page that adds up purchases."""
    asked = read_asked()
    return render_template("dashboard/sharing/_spending.html", asked=asked, **_spending(asked))


@bp.get("/spreaders")
@access(*MANAGERS)
def spreaders() -> str:
    """Everybody who brought a member in the period, the most first."""
    asked, after = read_asked(), _after()
    rows = top_spreaders(*asked.period, **asked.narrowed, after=after, limit=PAGE)
    return render_template(
        "dashboard/sharing/spreaders.html",
        nav="shares",
        asked=asked,
        spreaders=rows,
        after=after,
        next_after=_key(rows[-1]) if len(rows) == PAGE else None,
        member_url=member_url,
        words=words,
        definitions=DEFINITIONS,
    )


def _figures(asked: Asked) -> dict[str, Any]:
    narrowed = asked.narrowed
    numbers = propagation.numbers(*asked.period, **narrowed)
    found: dict[str, Any] = {"numbers": numbers, "words": words, "definitions": DEFINITIONS}
    k_by_store = propagation.k_by_store(*asked.period, **narrowed)
    k_factor = _together(k_by_store.values())
    found |= {"k_factor": k_factor, "sentence": words.sentence(numbers, k_factor)}
    if not (numbers.links or numbers.referred):
        return found
    top = top_spreaders(*asked.period, **narrowed, limit=TOP + 1)
    stores = branching.by_store(*asked.period, **narrowed)
    return found | {
        "took": words.span(propagation.time_to_convert(*asked.period, **narrowed)),
        "days": propagation.by_day(*asked.period, **narrowed),
        "generations": propagation.generations(*asked.period, **narrowed),
        "k_groups": _k_groups(asked, k_factor, k_by_store, stores),
        "flows": _flows(asked),
        "channels": branching.by_channel(*asked.period, **narrowed),
        "occasions": branching.by_occasion(*asked.period, **narrowed),
        "stores": stores,
        "k_by_store": k_by_store,
        "programs": branching.by_program(*asked.period, **narrowed) if len(asked.programs) > 1 else [],
        "spreaders": top[:TOP],
        "has_more": len(top) > TOP,
        "member_url": member_url,
    }


def _spending(asked: Asked) -> dict[str, Any]:
    return {
        "comparisons": compare_spending(*asked.period, now=utc_now(), **asked.narrowed),
        "words": words,
        "definitions": DEFINITIONS,
    }


def _together(parts: Any) -> KFactor:
    """The whole of K-factors whose members are different people."""
    return KFactor(*map(sum, zip(*parts, strict=True))) if parts else KFactor(0, 0, 0, 0)


def _k_groups(
    asked: Asked, whole: KFactor, by_store: dict[int | None, KFactor], stores: list[StoreNumbers]
) -> list[Group]:
    """All, the programs where there are several, and the stores where most joined, if enough for an interval."""
    groups = [Group(_("All"), whole)]
    if len(asked.programs) > 1 and asked.program is None:
        by_program = propagation.k_by_program(*asked.period, **asked.narrowed)
        groups += [
            Group(say(Text(each.name, each.name_en)), by_program[each.id])
            for each in asked.programs
            if each.id in by_program
        ]
    names = {row.store_id: row.name for row in stores}
    largest = sorted(by_store, key=lambda store: -by_store[store].members)
    drawn = [store for store in largest if names.get(store) and by_store[store].interval][:STORES_DRAWN]
    return groups + ([Group(names[store] or "", by_store[store]) for store in drawn] if len(by_store) > 1 else [])


def _flows(asked: Asked) -> list[tuple[str, str, str, int]]:
    """Store, channel, generation and members; small stores and deep generations together."""
    rows = branching.flows(*asked.period, **asked.narrowed)
    sizes: Counter[int | None] = Counter()
    for row in rows:
        sizes[row.store_id] += row.members
    large = {store for store, _size in sizes.most_common(STORES_DRAWN)}
    said = _channel_words(asked)
    summed: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        summed[_store_said(row, large), said.get(row.channel, row.channel), _generation_said(row.generation)] += (
            row.members
        )
    return [(*key, members) for key, members in summed.most_common()]


def _channel_words(asked: Asked) -> dict[str, str]:
    """The channels' words in the reader's language."""
    return {code: say(word) for code, word in words_of(asked.chain.id).items()}


def _store_said(row: Flow, large: set[int | None]) -> str:
    if row.store_id not in large:
        return _("Other stores")
    return row.store_name or _("No store")


def _generation_said(generation: int) -> str:
    if generation >= GENERATIONS_DRAWN:
        return _("Generation %(depth)s+", depth=GENERATIONS_DRAWN)
    return _("Generation %(depth)s", depth=generation)


def member_url(member_id: int) -> str:
    """The page of a member."""
    return url_for("members.show", member_id=member_id)


def _after() -> tuple[int, int] | None:
    """The last spreader of the page before: how many he brought, and who he is."""
    parts = request.args.get("after", "").split("-")
    if len(parts) != 2 or not all(part.isascii() and part.isdecimal() and len(part) < 19 for part in parts):
        return None
    return int(parts[0]), int(parts[1])


def _key(spreader: Spreader) -> str:
    return f"{spreader.direct}-{spreader.member_id}"
