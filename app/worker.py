"""The worker process: it sends what is due, each channel in a thread of its own, so that a slow one holds up nobody."""

import logging
import signal
from collections.abc import Collection, Sequence
from datetime import timedelta
from threading import Event

from flask import Flask

from app.broker import Listener, connect
from app.config import Settings
from app.lines import Line, Step
from core.clock import utc_now
from push.audiences.unsubscribing import Links
from push.channels import Channel, vapid
from push.channels.console import ConsoleChannel
from push.channels.email import EmailChannel
from push.channels.gateway import GatewayChannel
from push.channels.web_push import WebPushChannel
from push.channels.wechat import WechatChannel
from push.delivering.looping import close_here, run_here
from push.delivering.sending import deliver_inbox_batch, drain, send_batch
from push.models import PushChannel
from push.partners.calling import Caller, call_batch

POLL_SECONDS = 1.0
TOLD_POLL_SECONDS = 30.0  # where a broker tells; should it be away, so long a message waits
LANES = 2
WEBHOOKS = "webhooks"  # no channel: what partner systems are told
WECHAT = (PushChannel.WECHAT_TEMPLATE, PushChannel.WECHAT_SUBSCRIPTION)

log = logging.getLogger("kaquan.worker")


def channels_of(settings: Settings) -> dict[PushChannel, Channel]:
    """The channels that are set up. The inbox is not among them: it needs nothing."""
    channels: dict[PushChannel, Channel] = {}
    if settings.smtp_url:
        channels[PushChannel.EMAIL] = EmailChannel(settings.smtp_url, settings.mail_from, settings.secret_key)
    if settings.gateway_url:
        channels[PushChannel.GATEWAY] = GatewayChannel(
            settings.gateway_url, settings.gateway_secret, parallel=-(-settings.gateway_parallel // LANES)
        )
    if settings.is_web_push_possible:
        key = vapid.private_key(settings.secret_key, settings.vapid_private_key)
        channels[PushChannel.WEB_PUSH] = WebPushChannel(key, settings.operator_address)
    if settings.wechat_appid:
        for name in WECHAT:
            channels[name] = WechatChannel(name, settings.wechat_appid, settings.wechat_secret, url=settings.wechat_url)
    if settings.console_channels:
        for name in (PushChannel.EMAIL, PushChannel.GATEWAY):
            channels.setdefault(name, ConsoleChannel(name))
    return channels


def names_set_up(settings: Settings) -> list[str]:
    """The names of the channels that a campaign of this installation can use."""
    is_set_up = {
        PushChannel.INBOX: True,
        PushChannel.EMAIL: bool(settings.smtp_url or settings.console_channels),
        PushChannel.GATEWAY: bool(settings.gateway_url or settings.console_channels),
        PushChannel.WEB_PUSH: settings.is_web_push_possible,
    }
    is_set_up |= dict.fromkeys(WECHAT, bool(settings.wechat_appid))
    return [str(name) for name in PushChannel if is_set_up.get(name, False)]


def line_names(settings: Settings) -> list[str]:
    """What a worker of this installation can do: the channels that are set up, and calling partner systems."""
    return [*names_set_up(settings), WEBHOOKS]


def rates_of(settings: Settings) -> dict[PushChannel, float]:
    """How many messages a second each channel may take, over all workers; one that is not there takes any number."""
    per_minute = {
        PushChannel.EMAIL: settings.email_per_minute,
        PushChannel.GATEWAY: settings.gateway_per_minute,
        PushChannel.WEB_PUSH: settings.web_push_per_minute,
        PushChannel.WECHAT_TEMPLATE: settings.wechat_per_minute,  # WeChat limits each of its interfaces alone
        PushChannel.WECHAT_SUBSCRIPTION: settings.wechat_per_minute,
    }
    return {name: number / 60 for name, number in per_minute.items() if number}


class Worker:
    """Sends for all chains until it is told to stop. ``only`` these channels, or all that are set up."""

    def __init__(self, app: Flask, only: Collection[str] = ()) -> None:
        settings: Settings = app.extensions["settings"]
        self._app = app
        self._settings = settings
        self._only = only
        self._links = Links(settings.public_url, settings.secret_key)
        self._lease = timedelta(seconds=settings.push_lease_seconds)
        self._rates = rates_of(settings)
        self._stopping = Event()

    def run(self) -> None:
        """Work until ``stop``; what is being sent is finished, what is not is given back."""
        poll = TOLD_POLL_SECONDS if self._settings.broker_url else POLL_SECONDS
        lines = [
            Line(self._app, name, steps, poll=poll, stopping=self._stopping) for name, steps in self._steps().items()
        ]
        for line in lines:
            line.start()
        listener = self._listen(lines)
        for line in lines:
            line.join()
        if listener is not None:
            listener.stop()

    def run_once(self) -> int:
        """Send everything that is due now, and return; how many rows were looked at."""
        steps = [lanes[0] for lanes in self._steps().values()]
        with self._app.app_context():
            looked_at = sum(drain([step.look for step in steps]))
        for step in steps:
            step.close()
        close_here()
        return looked_at

    def stop(self, *_signal: object) -> None:
        self._stopping.set()

    def _listen(self, lines: Sequence[Line]) -> Listener | None:
        if not self._settings.broker_url:
            return None
        listener = Listener(connect(self._settings.broker_url), {line.name: line.work for line in lines})
        listener.start()
        return listener

    def _steps(self) -> dict[str, list[Step]]:
        """What is to be done, by line. Where many messages go at once, a second thread sends while the first notes."""
        steps: dict[str, list[Step]] = {
            str(PushChannel.INBOX): [Step(lambda: deliver_inbox_batch(now=utc_now(), lease=self._lease))]
        }
        for lane in range(LANES):
            for name, channel in channels_of(self._settings).items():
                if lane == 0 or channel.parallel > 1:
                    steps.setdefault(str(name), []).append(self._sending(name, channel))
        steps[WEBHOOKS] = [self._calling()]
        return {name: each for name, each in steps.items() if not self._only or name in self._only}

    def _sending(self, name: PushChannel, channel: Channel) -> Step:
        def look() -> int:
            return send_batch(
                name,
                channel,
                self._links,
                now=utc_now(),
                clock=utc_now,
                lease=self._lease,
                rate=self._rates.get(name),
                is_stopping=self._stopping.is_set,
            )

        return Step(look, lambda: run_here(channel.close()))

    def _calling(self) -> Step:
        caller = Caller(is_private=self._settings.webhooks_in_own_network)

        def look() -> int:
            return call_batch(caller, now=utc_now(), lease=self._lease, is_stopping=self._stopping.is_set)

        return Step(look, caller.close)


def run(app: Flask, only: Collection[str] = ()) -> None:
    """Work until SIGTERM or Ctrl-C."""
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    worker = Worker(app, only)
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, worker.stop)
    names = [name for name in names_set_up(app.extensions["settings"]) if not only or name in only]
    log.info("worker sends over %s", ", ".join(names))
    worker.run()
