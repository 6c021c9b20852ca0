"""A mail server that takes every mail and reports later what it could not deliver; and a mailbox read by IMAP."""

import re
import socket
import socketserver
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from tests.push.servers import free_port
from tests.push.standing import standing

REPORT = """From: Mail Delivery System <MAILER-DAEMON@mx.example>
To: cards@snowpeak.example
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain; charset=utf-8

This is the mail system at host mx.example. I'm sorry to have to inform you …

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
{envelope}Arrival-Date: Sun, 22 Nov 2026 12:00:00 +0000

Final-Recipient: rfc822; {final}
{original}Action: {action}
Status: {status}
Diagnostic-Code: smtp; {diagnostic}

--b1
Content-Type: {quoted_as}

{quoted}
--b1--
"""


class ReportingServer:
    """Takes everything. ``dead`` are addresses with the status that it reports of them; ``keeps_key`` by RFC 3461."""

    def __init__(self) -> None:
        self.dead: dict[str, tuple[str, str]] = {}  # address -> (action, status)
        self.aliases: dict[str, str] = {}  # where an address leads
        self.reports: list[bytes] = []
        self.mails: list[EmailMessage] = []
        self.offers_dsn = True
        self.quotes = "text/rfc822-headers"
        self.options: list[tuple[Sequence[str], Sequence[str]]] = []

    async def handle_EHLO(self, server: Any, session: Any, _envelope: Any, hostname: str, responses: Any) -> Any:
        session.host_name = hostname
        return [responses[0], "250-DSN", *responses[1:]] if self.offers_dsn else responses

    async def handle_DATA(self, server: "WithDsn", _session: Any, envelope: Any) -> str:
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)  # by the policy
        self.mails.append(mail)
        self.options.append((server.of_mail, server.of_recipient))
        for address in envelope.rcpt_tos:
            if address in self.dead:
                self.reports.append(self._report(server, address, mail))
        return "250 taken"

    def _report(self, server: "WithDsn", address: str, mail: Any) -> bytes:
        action, status = self.dead[address]
        said = dict(option.partition("=")[::2] for option in (*server.of_mail, *server.of_recipient))
        quoted = "".join(f"{name}: {value}\n" for name, value in mail.items())
        return REPORT.format(
            envelope=f"Original-Envelope-Id: {said['ENVID']}\n" if "ENVID" in said else "",
            original=f"Original-Recipient: {said['ORCPT']}\n" if "ORCPT" in said else "",
            final=self.aliases.get(address, address),
            action=action,
            status=status,
            diagnostic=f"550 {status} no such user",
            quoted_as=self.quotes,
            quoted=quoted + ("\nthe mail itself\n" if self.quotes == "message/rfc822" else ""),
        ).encode()


class WithDsn(SMTP):
    """aiosmtpd, that takes the parameters of RFC 3461 and remembers them."""

    of_mail: Sequence[str] = ()
    of_recipient: Sequence[str] = ()

    async def smtp_MAIL(self, arg: str) -> None:
        self.of_mail, plain = _split(arg, "ENVID", "RET")
        await super().smtp_MAIL(plain)

    async def smtp_RCPT(self, arg: str) -> None:
        self.of_recipient, plain = _split(arg, "NOTIFY", "ORCPT")
        await super().smtp_RCPT(plain)


def _split(arg: str, *names: str) -> tuple[list[str], str]:
    words = arg.split()
    ours = [word for word in words if word.partition("=")[0] in names]
    return ours, " ".join(word for word in words if word not in ours)


class _Controller(Controller):
    def factory(self) -> SMTP:
        return WithDsn(self.handler, **self.SMTP_kwargs)


@contextmanager
def reporting_server() -> Iterator[tuple[ReportingServer, str]]:
    """A server and its SMTP_URL."""
    handler, port = ReportingServer(), free_port()
    controller = _Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield handler, f"smtp://127.0.0.1:{port}"
    finally:
        controller.stop()


class Mailbox(socketserver.ThreadingTCPServer):
    """IMAP4rev1, as much as somebody needs who reads what is new (RFC 3501)."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.mails: dict[int, bytes] = {}
        self.seen: set[int] = set()
        self.breaks_after: int | None = None  # so many mails fetched
        self.fetched = 0

    @property
    def url(self) -> str:
        return f"imap://bounces:pass%40word@127.0.0.1:{self.server_address[1]}/INBOX"

    def put(self, mail: bytes) -> None:
        self.mails[len(self.mails) + 1] = mail.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the play."""


class _Session(socketserver.StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        self._say("* OK [CAPABILITY IMAP4rev1] ready")
        while line := self.rfile.readline():
            tag, _, words = line.decode().strip().partition(" ")
            if not self._answer(tag, words):
                return

    def _answer(self, tag: str, words: str) -> bool:
        command = words.upper()
        if command.startswith("CAPABILITY"):
            self._say("* CAPABILITY IMAP4rev1")
        elif command.startswith("LOGIN"):
            if words != 'LOGIN bounces "pass@word"':
                self._say(f"{tag} NO [AUTHENTICATIONFAILED] no")
                return True
        elif command.startswith("SELECT"):
            self._say(f"* {len(self.server.mails)} EXISTS")
        elif command.startswith("UID SEARCH UNSEEN"):
            unseen = [str(number) for number in sorted(self.server.mails) if number not in self.server.seen]
            self._say(" ".join(["* SEARCH", *unseen]))
        elif command.startswith("UID FETCH"):
            if self.server.breaks_after is not None and self.server.fetched >= self.server.breaks_after:
                self.connection.shutdown(socket.SHUT_RDWR)
                return False
            self._fetch(int(words.split()[2]))
        elif command.startswith("UID STORE"):
            assert re.search(r"\+FLAGS \(\\Seen\)", words)
            self.server.seen.add(int(words.split()[2]))
        elif command.startswith("LOGOUT"):
            self._say("* BYE")
        self._say(f"{tag} OK done")
        return not command.startswith("LOGOUT")

    def _fetch(self, number: int) -> None:
        raw = self.server.mails[number]
        self.server.fetched += 1
        self.wfile.write(f"* {number} FETCH (UID {number} BODY[] {{{len(raw)}}}\r\n".encode() + raw + b")\r\n")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    with standing(Mailbox()) as server:
        yield server
