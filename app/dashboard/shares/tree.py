"""The propagation tree as an explorable picture, of the chain and below a member; lists beside it say the same."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, jsonify, render_template, request
from werkzeug.wrappers import Response

from app.auth.guard import MANAGERS, access, actor, require_staff
from app.dashboard.frame import chain_of
from app.dashboard.shares import tree_answers as answers
from app.dashboard.shares.tree_answers import called, may_see
from app.reports import people
from app.reports.views import reader_of
from app.security import row_number
from app.wallet.showing import day_shown
from cards.freezing import CardNotFound
from core.clock import business_day, utc_now
from sharing import drawing
from sharing.attribution import DEEPEST
from sharing.drawing import CHAIN, Drawn, Spot

bp = Blueprint("sharing_tree", __name__, url_prefix="/dashboard/sharing/tree", template_folder="../templates")
bp.before_request(require_staff)

PAGE = 50
LISTED = 20  # trees on a page
SMALL = 240  # so many members are drawn at once
CROWN = (12, 5, 3)  # of a larger tree: how many branches of each member, generation by generation
TREES = 16  # of the chain, at once
OPENED_TREES = 4  # of them, with their crowns
TREE_CROWNS = (5, 3)
BRANCHES = 40
LARGEST = 12  # branches of one generation
FOUND = 8
LONGEST_SEARCH = 80
MOST_VALUES = 200
LONGEST_NUMBER = 13  # digits
MANY = 300  # members: from here on the generations are shown first
ID = "<int:member_id>"


@bp.get("")
@access(*MANAGERS)
def index() -> str:
    """All trees of the chain, the largest first; of a manager those in which his members come first."""
    chain, after = chain_of(actor()), _after()
    trees = drawing.largest_trees(chain.id, most=LISTED, store_ids=actor().store_ids, after=after)
    return _page(
        "dashboard/sharing/trees.html",
        CHAIN,
        trees=trees,
        tree_count=drawing.count_trees(chain.id, store_ids=actor().store_ids),
        after=after,
        next_after=f"{trees[-1].below}-{trees[-1].member_id}" if len(trees) == LISTED else None,
        searched=_searched(),
        found=_found(_searched()),
    )


@bp.get(f"/{ID}")
@access(*MANAGERS)
def show(member_id: int) -> str:
    """The tree below a member: the picture, and the members he brought as a table."""
    root = _root(member_id)
    after = request.args.get("after", type=row_number)
    children = drawing.children(actor().chain_id, root, after=after, most=PAGE)
    return _page(
        "dashboard/sharing/tree.html",
        root.spot,
        root=root,
        way=drawing.way_to(actor().chain_id, root.path)[:-1],
        children=children,
        after=after,
        next_after=children[-1].member_id if len(children) == PAGE else None,
        to=request.args.get("to", type=row_number),
    )


@bp.get("/picture.json")
@bp.get(f"/{ID}/picture.json")
@access(*MANAGERS)
def picture(member_id: int | None = None) -> Response:
    """What is drawn first: the whole tree where it is small, else its crown. Each branch says how much it hides."""
    members = _picture_of(_root(member_id)) if member_id else _picture_of_chain()
    return jsonify(answers.manners(chain_of(actor())) | {"members": [answers.drawn(each) for each in members]})


@bp.get("/branch.json")
@bp.get(f"/{ID}/branch.json")
@access(*MANAGERS)
def branch(member_id: int | None = None) -> Response:
    """The next branches of a member of the tree (``at``; the root when it is not given), the largest first."""
    chain_id = actor().chain_id
    if member_id is None:
        trees = drawing.largest_trees(chain_id, most=BRANCHES, store_ids=actor().store_ids, after=_after())
        return jsonify(answers.page_of(trees, BRANCHES))
    at = _within(_root(member_id), request.args.get("at", member_id, type=row_number))
    sizes = drawing.largest_branches(chain_id, [at.path], most=BRANCHES, after=_after())
    return jsonify(answers.page_of(drawing.describe(chain_id, sizes), BRANCHES))


@bp.get("/way.json")
@bp.get(f"/{ID}/way.json")
@access(*MANAGERS)
def way(member_id: int | None = None) -> Response:
    """Everybody from the root to a member (``to``) whom the reader may know."""
    wanted = _root(request.args.get("to", 0, type=row_number))
    line = answers.from_first_seen(drawing.way_to(actor().chain_id, wanted.path, is_counted=True))
    if member_id is not None:
        root = _root(member_id)
        _within(root, wanted.member_id)
        line = [each for each in line if each.spot.depth > root.spot.depth]
    return jsonify({"members": [answers.drawn(each) for each in line]})


@bp.get("/values.json")
@bp.get(f"/{ID}/values.json")
@access(*MANAGERS)
def values(member_id: int | None = None) -> Response:
    """What stands below some members of the tree (``of=1,2,3``) has spent, in cents by member."""
    root = _root(member_id) if member_id else None
    seen = [each for each in drawing.find_all(actor().chain_id, _numbers("of")) if _is_shown(each, root)]
    spent = drawing.spent_below(actor().chain_id, [each.path for each in seen])
    return jsonify({str(each.member_id): spent[each.path] for each in seen})


@bp.get("/growth.json")
@bp.get(f"/{ID}/growth.json")
@access(*MANAGERS)
def growth(member_id: int | None = None) -> Response:
    """When the members below came: the steps of a replay, by generation and channel."""
    chain = chain_of(actor())
    root = _root(member_id) if member_id else None
    joined = drawing.growth(
        chain.id,
        root.spot if root else CHAIN,
        timezone=chain.timezone,
        offset=utc_now().astimezone(ZoneInfo(chain.timezone)).utcoffset() or timedelta(),
        store_ids=None if root else actor().store_ids,
    )
    return jsonify(answers.replay(joined))


@bp.get("/find.json")
@bp.get(f"/{ID}/find.json")
@access(*MANAGERS)
def find(member_id: int | None = None) -> Response:
    """Members by number, phone or name, and where their place in the tree is to be seen."""
    root = _root(member_id) if member_id else None
    return jsonify([answers.hit(*each, root) for each in _found(_searched())])


def _page(template: str, spot: Spot, **more: Any) -> str:
    """A page with the picture of what stands below a spot, and the same in numbers."""
    chain, own = chain_of(actor()), None if spot.path else actor().store_ids
    counts = drawing.generations(chain.id, spot, store_ids=own)
    generation = request.args.get("generation", type=row_number)
    largest: list[Drawn] = []
    if generation and generation <= DEEPEST:
        largest = drawing.largest_of_generation(chain.id, spot, generation, most=LARGEST, store_ids=own)
    below = sum(each.members for each in counts)
    words, present = answers.channel_words(chain.id), {each.channel for each in counts}
    return render_template(
        template,
        nav="shares",
        chain=chain,
        generations=answers.generation_rows(counts),
        channels=words,
        present=[(code, word) for code, word in words.items() if code in present],
        below=below,
        is_large=below > MANY,
        generation=generation,
        largest=largest,
        may_see=may_see,
        called=called,
        member_url=answers.member_url,
        tree_url=answers.tree_url,
        day=lambda moment: day_shown(moment, chain.timezone, now=utc_now()),
        today=business_day(utc_now(), chain.timezone),
        **more,
    )


def _picture_of(root: Drawn) -> list[Drawn]:
    """The root and what is drawn below it at first."""
    chain_id = actor().chain_id
    whole = drawing.whole_tree(chain_id, root.spot, most=SMALL)
    if whole is not None:
        return [root._replace(below=len(whole)), *whole]
    root = drawing.way_to(chain_id, root.path, is_counted=True)[-1]
    return [root, *drawing.crown(chain_id, [root.spot], CROWN)]


def _picture_of_chain() -> list[Drawn]:
    """The largest trees, the first of them with their crowns."""
    trees = drawing.largest_trees(actor().chain_id, most=TREES, store_ids=actor().store_ids)
    return [*trees, *drawing.crown(actor().chain_id, [each.spot for each in trees[:OPENED_TREES]], TREE_CROWNS)]


def _root(member_id: int) -> Drawn:
    """The member at whom the reader looks; one of another store is not there."""
    root = drawing.find_drawn(actor().chain_id, member_id)
    if root is None or not may_see(root.store_id):
        raise CardNotFound()
    return root


def _within(root: Drawn, member_id: int) -> Drawn:
    """A member of a tree."""
    found = drawing.find_drawn(actor().chain_id, member_id)
    if found is None or not found.path.startswith(root.path):
        raise CardNotFound()
    return found


def _is_shown(member: Drawn, root: Drawn | None) -> bool:
    """Whether a member stands in the picture."""
    return member.path.startswith(root.path) if root else may_see(member.store_id)


def _found(search: str) -> list[tuple[Drawn, list[Drawn]]]:
    """The members whom somebody looks for, each with the line above him from the first whom the reader may know."""
    if not search:
        return []
    reader, chain = reader_of(actor()), chain_of(actor())
    listed = people.list_people(reader, people.Filters(search=search), chain=chain, limit=FOUND)
    lines = [line for line in drawing.ways_to(chain.id, [each.id for each in listed]) if may_see(line[-1].store_id)]
    lines.sort(key=lambda line: len(line) == 1 and not line[0].brought)  # those who stand alone come last
    return [(line[-1], answers.from_first_seen(line)) for line in lines]


def _searched() -> str:
    return request.args.get("find", "").replace("\0", "").strip()[:LONGEST_SEARCH]


def _numbers(name: str) -> list[int]:
    """Rows in a question: 1,2,3."""
    words = request.args.get(name, "").split(",")[:MOST_VALUES]
    return [int(word) for word in words if word.isascii() and word.isdecimal() and len(word) < LONGEST_NUMBER]


def _after() -> tuple[int, int] | None:
    """The last member of the page before: how many stand below him, and who he is."""
    parts = request.args.get("after", "").split("-")
    if len(parts) != 2 or not all(part.isascii() and part.isdecimal() and len(part) < LONGEST_NUMBER for part in parts):
        return None
    return int(parts[0]), int(parts[1])
