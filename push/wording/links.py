"""Short links: which delivery and which address of its campaign they mean stands in them, signed; nothing is kept.

The addresses of a message are written down once for its campaign (``campaign_links``), when it goes out; a short link
leads to such an address and nowhere else. Members who said no to measurement get the addresses as they are, and so
does everybody where an address has a variable in it.
"""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from html import escape, unescape
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import func, select

from core.db import db, insert, transaction
from push.models import Consent, ConsentPurpose
from push.wording.models import CampaignLink
from push.wording.texts import Words

SALT = b"push-click"
MAC = 8  # bytes: 64 bits
PATH = "/l/"
OURS = (PATH, "/u/")  # paths of links that are made for one member already
LONGEST = 500  # of an address
ADDRESS = re.compile(r"https?://[!#-&(-;=?-~]+", re.IGNORECASE)  # ends with a space, a quote, a bracket, Chinese
TRAILING = ".,;:!?)]*"  # belongs to the sentence
HREF = re.compile(r'(?<=\shref=")[^"]*(?=")')

Shorten = Callable[[str], str]


class Way(NamedTuple):
    """What stands in a short link."""

    delivery_id: int
    link_id: int


class ShortLinks:
    """Makes and reads short links, on the address members reach."""

    def __init__(self, public_url: str, secret_key: str) -> None:
        self._start = public_url.rstrip("/") + PATH
        self._host = urlsplit(public_url).netloc.lower()
        self._key = hmac.digest(secret_key.encode(), SALT, "sha256")

    def address(self, way: Way) -> str:
        return self._start + self.token(way)

    def token(self, way: Way) -> str:
        number = _packed(way.delivery_id) + _packed(way.link_id)
        return urlsafe_b64encode(number + self._mac(number)).decode().rstrip("=")

    def read(self, token: str) -> Way | None:
        """What a token means; None when it is not one of ours, letter by letter."""
        try:
            packed = urlsafe_b64decode(token + "=" * (-len(token) % 4))[:-MAC]
            delivery_id, rest = _unpacked(packed)
            link_id, rest = _unpacked(rest)
        except (ValueError, IndexError):
            return None
        way = Way(delivery_id, link_id)
        is_ours = not rest and hmac.compare_digest(self.token(way).encode(), token.encode())
        return way if is_ours else None

    def may_shorten(self, url: str) -> bool:
        """Whether an address can stand behind a short link: the same for everybody, and not one of those itself."""
        if "{" in url or len(url) > LONGEST:
            return False
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        return bool(parts.netloc) and not (parts.netloc.lower() == self._host and parts.path.startswith(OURS))

    def _mac(self, number: bytes) -> bytes:
        return blake2b(number, key=self._key, digest_size=MAC).digest()


class Shortener:
    """The short links of a batch of deliveries."""

    def __init__(self, short: ShortLinks, ids: dict[tuple[int, str], int], unmeasured: frozenset[int]) -> None:
        self._short, self._ids, self._unmeasured = short, ids, unmeasured

    def of(self, row: Any) -> Shorten:
        """What turns an address into the short link of a delivery (it has id, campaign_id and member_id)."""
        if row.member_id in self._unmeasured:
            return lambda url: url

        def shorten(url: str) -> str:
            link_id = self._ids.get((row.campaign_id, url))
            return url if link_id is None else self._short.address(Way(row.id, link_id))

        return shorten


def prepare_batch(rows: Sequence[Any], short: ShortLinks, *, wallet: str) -> Shortener:
    """Look up, for a batch of deliveries with their runs' texts, what their short links need.

    Addresses that are new are written down in a transaction of its own; they are so once for each campaign.
    """
    runs = {row.run_id: row for row in rows}
    wanted = {
        (run.campaign_id, url) for run in runs.values() for url in {*_addresses(run), wallet} if short.may_shorten(url)
    }
    ids = _ids_of({campaign_id for campaign_id, _ in wanted})
    if missing := wanted - ids.keys():
        chains = {run.campaign_id: run.chain_id for run in runs.values()}
        with transaction():
            _write_down(missing, chains)
        ids = _ids_of({campaign_id for campaign_id, _ in wanted})
    ids = {key: ids[key] for key in wanted}
    return Shortener(short, ids, _unmeasured({row.member_id for row in rows}))


def write_down(run: Any) -> None:
    """Keep the addresses in a run's texts, so that links can lead there. Needs an open transaction."""
    if addresses := _addresses(run):
        _write_down({(run.campaign_id, url) for url in addresses}, {run.campaign_id: run.chain_id})


def shortened(words: Words, shorten: Shorten) -> Words:
    """The words with short links for their addresses, the variables not yet filled in."""
    return Words(_in_text(words.title, shorten), _in_text(words.body, shorten), HREF.sub(_in_href(shorten), words.html))


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """A text in its parts, each with whether it is an address."""
    done = 0
    for found in ADDRESS.finditer(text):
        url = found[0].rstrip(TRAILING)
        if found.start() > done:
            yield text[done : found.start()], False
        yield url, True
        done = found.start() + len(url)
    if done < len(text):
        yield text[done:], False


def without_addresses(text: str) -> str:
    """What a member wrote of himself, as it may stand in a message: it may go to an address that is not his."""
    return " ".join("".join("" if is_address else part for part, is_address in pieces(text)).split())


def ids_of_campaigns(campaign_ids: Iterable[int]) -> dict[tuple[int, str], int]:
    """The addresses of campaigns that are written down, with their numbers."""
    return _ids_of(set(campaign_ids))


def unmeasured_among(member_ids: Iterable[int]) -> frozenset[int]:
    """Those whose newest word about measurement is no."""
    return _unmeasured(set(member_ids))


def _addresses(run: Any) -> set[str]:
    """Every address in a run's texts that is the same for everybody."""
    found: set[str] = set()
    for words in _said(run):
        for text in (words.get("title", ""), words.get("body", "")):
            found |= {part for part, is_address in pieces(text) if is_address}
        found |= {unescape(href) for href in HREF.findall(words.get("html", "")) if ADDRESS.fullmatch(unescape(href))}
    return {url for url in found if "{" not in url and len(url) <= LONGEST}


def _said(run: Any) -> Iterator[dict[str, str]]:
    yield {"title": run.title, "body": run.body}
    yield {"title": run.title_en, "body": run.body_en}
    for by_channel in run.texts.values():
        for by_language in by_channel.values():
            yield from (words for words in by_language.values() if isinstance(words, dict))


def _in_text(text: str, shorten: Shorten) -> str:
    if "://" not in text:
        return text
    return "".join([shorten(part) if is_address else part for part, is_address in _pieces_once(text)])


@lru_cache(maxsize=256)  # a batch says the same to many
def _pieces_once(text: str) -> tuple[tuple[str, bool], ...]:
    return tuple(pieces(text))


def _in_href(shorten: Shorten) -> Callable[[re.Match[str]], str]:
    def replaced(found: re.Match[str]) -> str:
        url = unescape(found[0])
        return escape(shorten(url)) if ADDRESS.fullmatch(url) else found[0]

    return replaced


def _ids_of(campaign_ids: set[int]) -> dict[tuple[int, str], int]:
    found = db.session.execute(
        select(CampaignLink.campaign_id, CampaignLink.url, CampaignLink.id).where(
            CampaignLink.campaign_id.in_(campaign_ids)
        )
    )
    return {(campaign_id, url): link_id for campaign_id, url, link_id in found}


def _write_down(missing: Iterable[tuple[int, str]], chain_id_of: dict[int, int]) -> None:
    rows = [
        {"chain_id": chain_id_of[campaign_id], "campaign_id": campaign_id, "url": url}
        for campaign_id, url in sorted(missing)
    ]
    db.session.execute(insert(CampaignLink).values(rows).on_conflict_do_nothing(index_elements=["campaign_id", "url"]))


def _unmeasured(member_ids: set[int]) -> frozenset[int]:
    if not member_ids:
        return frozenset()
    newest = (
        select(func.max(Consent.id))
        .where(Consent.member_id.in_(member_ids), Consent.purpose == ConsentPurpose.MEASUREMENT.value)
        .group_by(Consent.member_id)
    )
    return frozenset(
        db.session.scalars(select(Consent.member_id).where(Consent.id.in_(newest), Consent.is_granted.is_(False)))
    )


def _packed(number: int) -> bytes:
    """Seven bits a byte, the last one without the eighth: small numbers are short."""
    packed = bytearray()
    while number > 0x7F:
        packed.append(number & 0x7F | 0x80)
        number >>= 7
    packed.append(number)
    return bytes(packed)


def _unpacked(packed: bytes) -> tuple[int, bytes]:
    number, at = 0, 0
    while packed[at] & 0x80:
        number |= (packed[at] & 0x7F) << 7 * at
        at += 1
        if at > 9:
            raise ValueError(packed)
    return number | packed[at] << 7 * at, packed[at + 1 :]
