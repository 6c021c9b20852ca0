"""Sentences in the two languages a reader may have."""

from typing import NamedTuple


class Text(NamedTuple):
    """One sentence, in Chinese and in English. Both may hold ``{names}``."""

    zh: str
    en: str

    def say(self, language: str, **values: object) -> str:
        """The sentence for a reader of ``language`` ("zh…" is Chinese, anything else English).

        A value may itself be a Text: a day or an amount is written differently in the two languages.
        """
        sentence = self.zh if language.startswith("zh") else self.en
        said = {name: value.say(language) if isinstance(value, Text) else value for name, value in values.items()}
        return sentence.format(**said) if said else sentence
