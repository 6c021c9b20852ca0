"""E-mail by SMTP, with the headers by which mail programs offer one-click unsubscribing (RFC 2369, RFC 8058)."""

import asyncio
import hmac
import re
import smtplib
import ssl
from collections.abc import Sequence
from email.errors import MessageError
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import EmailPolicy, Policy
from email.utils import formatdate, parseaddr
from html import escape
from urllib.parse import unquote, urlsplit

from push.channels import Handed, Message, PermanentError, RetryError
from push.wording.links import pieces

TIMEOUT = 20  # seconds
SEAL = 16  # signs, of hexadecimal numbers
AWAY = 421  # the server itself says so; the other codes speak of one mailbox
UNSUBSCRIBE = {"zh": "不想再收到这样的邮件？点这里退订", "en": "No more of these? Unsubscribe here"}
WITH_COUPON = {
    "zh": "附上优惠券：{coupon}，已经放进您的卡包。",
    "en": "With it comes a coupon, now in your wallet: {coupon}",
}
# Nobody has this mailbox (RFC 3463). Other refusals are about this one mail: too large, full, unwanted.
NOBODY_THERE = {"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.4.4"}
ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
NOT_PLAIN = re.compile(r"[^!-*,-<>-~]")  # what an envelope writes as "+2B"
OPEN = {"zh": "打开卡包", "en": "Open the wallet"}


class _OnOneLine(UnstructuredHeader, BaseHeader):
    """A header that is an address: no program reads one that is written in code because it is long."""

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


HEADERS = HeaderRegistry()
HEADERS.map_to_type("list-unsubscribe", _OnOneLine)
POLICY = EmailPolicy(header_factory=HEADERS)


class EmailChannel:
    """One connection to ``smtp://user:password@host:587`` (STARTTLS when offered) or ``smtps://…:465``.

    ``secret_key`` seals the keys that mails carry, so that nobody can report on a mail that he has not seen.
    """

    parallel = 1

    def __init__(self, url: str, mail_from: str, secret_key: str = "") -> None:
        self._url = urlsplit(url)
        self._secret_key = secret_key
        self._from = parseaddr(mail_from)[1] or mail_from
        self._connection: smtplib.SMTP | None = None

    async def send(self, message: Message) -> Handed:
        await asyncio.to_thread(self._send, message)
        return Handed()

    async def close(self) -> None:
        await asyncio.to_thread(self._hang_up)

    def _send(self, message: Message) -> None:
        mail = compose(message, self._from, seal_of(message.key, self._secret_key))
        try:
            self._hand_over(mail, message.to)
        except smtplib.SMTPNotSupportedError:
            raise PermanentError("smtp: address not supported") from None
        except smtplib.SMTPRecipientsRefused as refusal:
            raise _answered(*next(iter(refusal.recipients.values()))) from None
        except smtplib.SMTPDataError as refusal:
            raise _answered(refusal.smtp_code, refusal.smtp_error) from None
        except smtplib.SMTPResponseException as refusal:  # our log-in or our own address: not the member's fault
            self._hang_up()
            raise RetryError(f"smtp {refusal.smtp_code}") from None
        except (smtplib.SMTPException, OSError) as problem:
            self._hang_up()
            raise RetryError(f"smtp: {type(problem).__name__}") from None

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.quit()
            except (smtplib.SMTPException, OSError):
                connection.close()

    def _hand_over(self, mail: EmailMessage, to: str) -> None:
        """Send on the kept connection; when the server has hung up meanwhile, on a new one."""
        is_kept = self._connection is not None
        try:
            self._put(self._connected(), mail, to)
        except smtplib.SMTPServerDisconnected:
            if not is_kept:
                raise
            self._hang_up()
            self._put(self._connected(), mail, to)

    def _put(self, connection: smtplib.SMTP, mail: EmailMessage, to: str) -> None:
        """Where the server reports what it cannot deliver (RFC 3461), the report is to name our key and his address."""
        connection.ehlo_or_helo_if_needed()
        of_mail: Sequence[str] = ()
        of_recipient: Sequence[str] = ()
        if connection.has_extn("dsn") and to.isascii():
            of_mail = (f"ENVID={_spelled(_sealed(mail))}", "RET=HDRS")
            of_recipient = ("NOTIFY=FAILURE", f"ORCPT=rfc822;{_spelled(to)}")
        connection.send_message(mail, self._from, [to], mail_options=of_mail, rcpt_options=of_recipient)

    def _connected(self) -> smtplib.SMTP:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> smtplib.SMTP:
        host, port = self._url.hostname or "localhost", self._url.port
        if self._url.scheme == "smtps":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                host, port or 465, timeout=TIMEOUT, context=ssl.create_default_context()
            )
        else:
            connection = smtplib.SMTP(host, port or 25, timeout=TIMEOUT)
            connection.ehlo()
            if connection.has_extn("starttls"):
                connection.starttls(context=ssl.create_default_context())
        if self._url.username:
            connection.login(unquote(self._url.username), unquote(self._url.password or ""))
        return connection


def seal_of(key: str, secret_key: str) -> str:
    """What only we can write beside a message key; nothing without a secret."""
    return hmac.digest(secret_key.encode(), f"mail {key}".encode(), "sha256").hex()[:SEAL] if secret_key else ""


def _sealed(mail: EmailMessage) -> str:
    return str(mail["Message-ID"]).strip("<>").partition("@")[0]


def compose(message: Message, mail_from: str, seal: str = "") -> EmailMessage:
    """The mail: text and HTML, its sealed key as Message-ID. Raises PermanentError for an address that is none."""
    mail = EmailMessage(policy=POLICY)
    try:
        mail["To"] = Address(addr_spec=message.to)
        mail["From"] = Address(message.chain, addr_spec=mail_from)
    except (ValueError, IndexError, MessageError):
        raise PermanentError("not an address") from None
    mail["Subject"] = " ".join(message.title.split())  # a header is one line
    mail["Date"] = formatdate()
    sealed = f"{message.key}-{seal}" if seal else message.key
    mail["Message-ID"] = f"<{sealed}@{mail_from.rpartition('@')[2]}>"
    mail["List-Unsubscribe"] = f"<{message.unsubscribe_url}>"
    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Message-Key"] = message.key
    if seal:
        mail["X-Message-Seal"] = seal  # where a server gives the mail a Message-ID of its own
    mail.set_content(_as_text(message))
    mail.add_alternative(_as_html(message), subtype="html")
    return mail


def _paragraphs(message: Message) -> list[str]:
    with_coupon = [WITH_COUPON[message.language].format(coupon=message.coupon)] if message.coupon else []
    return [message.title, *message.body.splitlines(), *with_coupon]


def _as_text(message: Message) -> str:
    lines = [*_paragraphs(message), "", f"{OPEN[message.language]}: {message.url}", "", "--", message.chain]
    return "\n".join([*lines, f"{UNSUBSCRIBE[message.language]}: {message.unsubscribe_url}", ""])


def _as_html(message: Message) -> str:
    title, *paragraphs = _paragraphs(message)
    plain = "".join(f"<p>{_linked(line)}</p>" for line in paragraphs if line.strip())
    body = message.html or f'<h1 style="font-size:22px;line-height:1.35">{escape(title)}</h1>{plain}'
    return (
        f'<!doctype html><html lang="{message.language}"><body style="margin:0;background:#faf8f5;color:#1f1b16;'
        f"font:16px/1.6 -apple-system,'PingFang SC','Microsoft YaHei',sans-serif\">"
        f'<div style="max-width:560px;margin:0 auto;padding:32px 24px">'
        f'<p style="color:#6f675c">{escape(message.chain)}</p>'
        f"{body}"
        f'<p><a href="{escape(message.url)}" style="color:#1f1b16;font-weight:600">{OPEN[message.language]}</a></p>'
        f'<p style="margin-top:40px;font-size:13px;color:#6f675c">'
        f'<a href="{escape(message.unsubscribe_url)}" style="color:#6f675c">{UNSUBSCRIBE[message.language]}</a></p>'
        f"</div></body></html>\n"
    )


def _linked(line: str) -> str:
    """A line of text as HTML, its addresses as links: not every mail program makes them ones by itself."""
    return "".join(
        f'<a href="{escape(part)}" style="color:#1f1b16">{escape(part)}</a>' if is_address else escape(part)
        for part, is_address in pieces(line)
    )


def _answered(code: int, said: bytes | str) -> PermanentError | RetryError:
    """What a refusal means, of the address or of the mail itself: some servers know only after it whom they have."""
    if not 500 <= code < 600:
        return RetryError(f"smtp {code}", is_provider=code == AWAY)
    found = ENHANCED.search(said if isinstance(said, str) else said.decode(errors="replace"))
    return PermanentError(f"smtp {code}", address_is_dead=found is not None and found[0] in NOBODY_THERE)


def _spelled(text: str) -> str:
    """As an envelope writes it (RFC 3461, xtext)."""
    return NOT_PLAIN.sub(lambda found: f"+{ord(found[0]):02X}", text)
