"""A store in the words of its pages."""

from flask_babel import get_locale, gettext

from app.languages import language
from stores.models import Store


def field_labels() -> dict[str, str]:
    """Each field's name in the reader's language."""
    return {
        "code": gettext("Store number"),
        "name": gettext("Store name"),
        "address": gettext("Street address"),
        "city": gettext("City"),
        "region": gettext("Province or state"),
        "country": gettext("Country"),
        "postcode": gettext("Postcode"),
        "phone": gettext("Telephone"),
        "timezone": gettext("Time zone"),
        "longitude": gettext("Longitude"),
        "latitude": gettext("Latitude"),
    }


def address_words(store: Store) -> str:
    """Where the store is, as envelopes have it: from the country down in Chinese, from the street up in English."""
    locale = get_locale()
    country = locale.territories.get(store.country, store.country) if locale else store.country
    upwards = dict.fromkeys(filter(None, (store.address, store.city, store.region)))  # a city may be its own region
    if language() == "zh":
        return " ".join(filter(None, (country, *reversed(upwards), store.postcode)))
    return ", ".join(filter(None, (*upwards, store.postcode, country)))
