"""Short links out of messages: they lead on at once, and a person who follows one is counted.

The page in between lasts a moment: it tells of the click once it is really seen, so that previews, scanners and
prefetching browsers, which open links all day, do not look like members.
"""

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from werkzeug import Response

from app.auth.guard import PUBLIC, access
from app.factory import csrf
from app.security import count_public_call, note_wrong_code, slow_down_guessing
from app.wallet.showing import name_of
from core.clock import utc_now
from core.hot import one_action
from push.errors import MessageLinkUnknown
from push.wording.clicking import Target, count_click, find_target
from push.wording.links import ShortLinks, Way
from sharing.previews import is_preview
from stores.queries import get_chain

bp = Blueprint("wallet_short_links", __name__, url_prefix="/l", template_folder="templates")


@bp.get("/<token>")
@access(PUBLIC)
def follow(token: str) -> str | Response:
    """Lead on. Opening it counts nothing; whoever only looks is sent straight to what the link shows."""
    _, target = _found(token)
    if is_preview(request.user_agent.string, request.headers, method=request.method):
        return redirect(target.url)
    chain = get_chain(target.chain_id)
    return render_template(
        "wallet/following.html",
        target=target.url,
        told_url=url_for("wallet_short_links.followed", token=token),
        chain_name=name_of(chain),
        chain_accent=chain.accent,
    )


@bp.post("/<token>")
@access(PUBLIC)
@csrf.exempt  # type: ignore[untyped-decorator]  # the link is signed, and the page is gone before a token is read
def followed(token: str) -> tuple[str, int]:
    """A person saw the page on his way: a click."""
    way, _ = _found(token)
    count_public_call("click")
    with one_action() as hot:
        count_click(hot, way, now=utc_now())
    return "", 204


def _found(token: str) -> tuple[Way, Target]:
    """What the link means and where it leads. Raises MessageLinkUnknown, the same for all that is not ours."""
    slow_down_guessing()
    settings = current_app.extensions["settings"]
    way = ShortLinks(settings.public_url, settings.secret_key).read(token)
    target = find_target(way) if way else None
    if way is None or target is None:
        note_wrong_code()
        raise MessageLinkUnknown()
    return way, target
