"""Whatever a person reads is there in both languages."""

from tools import translations


def test_every_sentence_of_the_pages_has_its_chinese():
    lacking = {str(message): places[0] for message, places in translations.missing().items()}

    assert lacking == {}


def test_control_sentences_are_found_in_code_and_in_templates():
    places = [place for places in translations.said().values() for place in places]

    assert any(".html:" in place for place in places)
    assert any(".py:" in place for place in places)
