"""The one way to say a channel of sharing: the usual ones and a chain's own, in the reader's language."""

from flask import Flask, g

from app.languages import say
from core.text import Text
from sharing.channels import WORDS, words_of


def init_app(app: Flask) -> None:
    app.jinja_env.globals["share_channel_word"] = share_channel_word


def share_channel_word(code: str) -> str:
    """A channel of the chain whose staff or customer reads this; one that nobody knows as it is."""
    usual: Text | None = WORDS.get(code)  # type: ignore[call-overload]
    return say(usual or _own_words().get(code) or Text(code, code))


def _own_words() -> dict[str, Text]:
    """The chain's, read once for a page and only where a channel of its own is said."""
    if "share_channel_words" not in g:
        who, chain = g.get("actor"), g.get("chain")
        chain_id = who.chain_id if who is not None and who.chain_id else chain and chain.id
        g.share_channel_words = words_of(chain_id) if chain_id else {}
    words: dict[str, Text] = g.share_channel_words
    return words
