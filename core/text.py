"""Sentences in the two languages a reader may have."""

from typing import NamedTuple


class Text(NamedTuple):
    """One sentence, in Chinese and in English. Both may hold ``{names}``."""

    zh: str
    en: str

    def say(self, language: str, **values: object) -> str:
        """The sentence for a reader of ``language`` ("zh…" is Chinese, anything else English)."""
        sentence = self.zh if language.startswith("zh") else self.en
        return sentence.format(**values) if values else sentence
