"""The ways a rule can say no. Nothing here knows about HTTP."""

from core.text import Text


class DomainError(Exception):
    """Base of every refusal. ``code`` is part of the API; the sentence is for people.

    ``part`` is the one of the things asked for that it is about, as its field is called; empty where it is no one's.
    """

    code = "error"
    part = ""
    sentence = Text("这次没有办成。", "This did not work.")

    def __init__(self, **context: object) -> None:
        super().__init__(self.code)
        self.context = context

    def say(self, language: str) -> str:
        """The sentence in the reader's language, with this refusal's own figures."""
        return self.sentence.say(language, **self.context)

    def __str__(self) -> str:
        return self.say("en")


class NotFound(DomainError):
    """There is no such thing, or not for whoever asks."""

    code = "not_found"
    sentence = Text("没有找到。", "There is no such thing.")


class NotPermitted(DomainError):
    """You may not do this."""

    code = "not_permitted"
    sentence = Text("您的账号不能做这件事。", "You may not do this.")


class NotSignedIn(DomainError):
    """Nobody is signed in, or the key or token is not known."""

    code = "not_signed_in"
    sentence = Text("请先登录，或检查密钥。", "Sign in first, or check the key.")


class Conflict(DomainError):
    """The thing is not in a state that allows this."""

    code = "conflict"
    sentence = Text("现在的状态不允许这样做。", "Its present state does not allow this.")


class Invalid(DomainError):
    """The request makes no sense."""

    code = "invalid"
    sentence = Text("提交的内容有误。", "What was sent is not valid.")


class TooMany(DomainError):
    """Too often in too short a time."""

    code = "too_many_requests"
    sentence = Text("操作太频繁，请稍后再试。", "Too many attempts. Please wait a little.")


class IdempotencyKeyReused(Conflict):
    """The same Idempotency-Key came with another body."""

    code = "idempotency_key_reused"
    sentence = Text("这个请求号已经用于另一个请求。", "This Idempotency-Key was already used for another request.")
