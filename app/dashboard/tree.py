"""The propagation tree: who brought whom, below a member."""

from typing import Any

from flask import Blueprint, jsonify, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response

from app.auth.guard import MANAGERS, access, actor, require_staff
from app.dashboard import personal
from app.reports.views import reader_of
from app.security import row_number
from app.wallet.showing import day_shown
from cards.freezing import CardNotFound
from core.clock import utc_now
from sharing import queries
from sharing.queries import Branch, Root
from stores.queries import get_chain

bp = Blueprint("sharing_tree", __name__, url_prefix="/dashboard/sharing/tree", template_folder="templates")
bp.before_request(require_staff)

PAGE = 50
PICTURE_GENERATIONS = 3
PICTURE_CHILDREN = 10


@bp.get("/<int:member_id>")
@access(*MANAGERS)
def show(member_id: int) -> str:
    """The tree below a member: a picture, and the members he brought as a table."""
    chain, root = get_chain(actor().chain_id), _root(member_id)
    after = request.args.get("after", type=row_number)
    children = queries.children_of(chain.id, root, after=after, limit=PAGE)
    generations = queries.count_below(chain.id, root)
    return render_template(
        "dashboard/sharing/tree.html",
        nav="shares",
        chain=chain,
        root=root,
        above=_above(root),
        generations=generations,
        below=sum(each.members for each in generations),
        children=children,
        after=after,
        next_after=children[-1].member_id if len(children) == PAGE else None,
        may_see=_may_see,
        name=_name,
        member_url=_member_url,
        called=_called,
        day=lambda moment: day_shown(moment, chain.timezone, now=utc_now()),
    )


@bp.get("/<int:member_id>/picture.json")
@access(*MANAGERS)
def picture(member_id: int) -> Response:
    """The upper part of a tree, for the drawing; each branch says how much it does not show."""
    root = _root(member_id)
    trunk = queries.draw_tree(actor().chain_id, root, generations=PICTURE_GENERATIONS, most_children=PICTURE_CHILDREN)
    return jsonify(_branch(trunk) | {"label": {"position": "top", "formatter": "{b}"}})


def _branch(branch: Branch) -> dict[str, Any]:
    """A member and those below him. ``more`` is asked for when the reader goes there."""
    children = [_branch(child) for child in branch.shown]
    hidden = branch.children - len(branch.shown)
    may_see = _may_see(branch.store_id)
    shown: dict[str, Any] = {
        "id": branch.member_id,
        "name": _name(branch.name, branch.number, branch.store_id),
        "value": branch.below,
        "children": children,
        "url": url_for("sharing_tree.show", member_id=branch.member_id) if may_see else None,
    }
    if branch.below:
        shown["label"] = {"formatter": "{b} · {c}"}
    if hidden and children:
        words = ngettext("%(num)d more", "%(num)d more", hidden)
        shown["children"].append({"name": words, "url": shown["url"], "value": None, "children": []})
    elif hidden and may_see:
        shown["more"] = url_for("sharing_tree.picture", member_id=branch.member_id)
    return shown


def _root(member_id: int) -> Root:
    root = queries.find_root(actor().chain_id, member_id=member_id)
    if root is None or not _may_see(root.store_id):
        raise CardNotFound()
    return root


def _above(root: Root) -> Root | None:
    """Whoever brought this member, if the reader may see him."""
    if root.referrer_id is None:
        return None
    above = queries.find_root(actor().chain_id, member_id=root.referrer_id)
    return above if above and _may_see(above.store_id) else None


def _may_see(store_id: int | None) -> bool:
    return actor().may_see_store(store_id)


def _member_url(member_id: int) -> str:
    """The page of a member."""
    return url_for("members.show", member_id=member_id)


def _name(name: str, number: str, store_id: int | None) -> str:
    """What a member is called here; a manager learns of other stores' members only that they exist."""
    return _called(name, number) if _may_see(store_id) else _("Member of another store")


def _called(name: str, number: str) -> str:
    """A member's name as far as the reader may know it."""
    return personal.called(personal.Called(name, number), reader_of(actor()))
