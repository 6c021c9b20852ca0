"""The worker process: it sends what is due, each channel in a thread of its own, so that a slow one holds up nobody."""

import logging
import signal
from collections.abc import Callable
from datetime import timedelta
from threading import Event, Thread

from flask import Flask

from app.config import Settings
from core.clock import utc_now
from push import vapid
from push.calling import Caller, call_batch
from push.channels import Channel
from push.channels.console import ConsoleChannel
from push.channels.email import EmailChannel
from push.channels.gateway import GatewayChannel
from push.channels.web_push import WebPushChannel
from push.channels.wechat import WechatChannel
from push.looping import close_here, run_here
from push.models import PushChannel
from push.sending import deliver_inbox_batch, drain, send_batch
from push.unsubscribing import Links

POLL_SECONDS = 1.0
WEBHOOKS = "webhooks"  # no channel: what partner systems are told
WECHAT = (PushChannel.WECHAT_TEMPLATE, PushChannel.WECHAT_SUBSCRIPTION)
LONGEST_PAUSE = 30.0  # between two tries, while the database is away

log = logging.getLogger("kaquan.worker")


def channels_of(settings: Settings) -> dict[PushChannel, Channel]:
    """The channels that are set up. The inbox is not among them: it needs nothing."""
    channels: dict[PushChannel, Channel] = {}
    if settings.smtp_url:
        channels[PushChannel.EMAIL] = EmailChannel(settings.smtp_url, settings.mail_from)
    if settings.gateway_url:
        channels[PushChannel.GATEWAY] = GatewayChannel(settings.gateway_url, settings.gateway_secret)
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


class Worker:
    """Sends for all chains until it is told to stop."""

    def __init__(self, app: Flask) -> None:
        settings: Settings = app.extensions["settings"]
        self._app = app
        self._links = Links(settings.public_url, settings.secret_key)
        self._lease = timedelta(seconds=settings.push_lease_seconds)
        self._channels = channels_of(settings)
        self._caller = Caller(is_private=settings.webhooks_in_own_network)
        self._stopping = Event()

    def run(self) -> None:
        """Work until ``stop``; what is being sent is finished, what is not is given back."""
        threads = [Thread(target=self._loop, args=(name, step), name=name) for name, step in self._steps().items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():  # with a timeout, so that signals are heard
                thread.join(timeout=0.5)

    def run_once(self) -> int:
        """Send everything that is due now, and return; how many rows were looked at."""
        steps = self._steps()
        with self._app.app_context():
            looked_at = sum(drain(list(steps.values())))
        for name in steps:
            self._close(name)
        close_here()
        return looked_at

    def stop(self, *_signal: object) -> None:
        self._stopping.set()

    def _steps(self) -> dict[str, Callable[[], int]]:
        steps: dict[str, Callable[[], int]] = {"inbox": lambda: deliver_inbox_batch(now=utc_now(), lease=self._lease)}
        for name, channel in self._channels.items():
            steps[str(name)] = self._step(name, channel)
        steps[WEBHOOKS] = lambda: call_batch(
            self._caller, now=utc_now(), lease=self._lease, is_stopping=self._stopping.is_set
        )
        return steps

    def _step(self, name: PushChannel, channel: Channel) -> Callable[[], int]:
        return lambda: send_batch(
            name, channel, self._links, now=utc_now(), lease=self._lease, is_stopping=self._stopping.is_set
        )

    def _loop(self, name: str, step: Callable[[], int]) -> None:
        try:
            self._work(step)
        finally:
            self._close(name)
            close_here()

    def _work(self, step: Callable[[], int]) -> None:
        pause = POLL_SECONDS
        while not self._stopping.is_set():
            try:
                with self._app.app_context():
                    looked_at = step()
                pause = POLL_SECONDS
            except Exception:
                log.exception("a batch failed; its rows are taken again when their lease ends")
                looked_at, pause = 0, min(pause * 2, LONGEST_PAUSE)
            if not looked_at:
                self._stopping.wait(pause)

    def _close(self, name: str) -> None:
        """Give the connections of a channel back, in the thread that used them."""
        for channel in (each for each_name, each in self._channels.items() if each_name == name):
            run_here(channel.close())
        if name == WEBHOOKS:
            self._caller.close()


def run(app: Flask) -> None:
    """Work until SIGTERM or Ctrl-C."""
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    worker = Worker(app)
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, worker.stop)
    names = names_set_up(app.extensions["settings"])
    log.info("worker sends over %s", ", ".join(names))
    worker.run()
