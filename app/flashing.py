"""Telling what was done, with a button that takes it back (see docs/look-kit.md)."""

from typing import Any

from flask import flash


def flash_with_undo(text: str, undo_url: str | None, **more: Any) -> None:
    """Say it on the next page; ``more`` may be ``undo_label``, and ``fields`` that the undo is to send."""
    message: Any = {"text": text, "undo_url": undo_url, **more}
    flash(message, "good")
