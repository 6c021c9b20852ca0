"""The fields of a store as its pages name them."""

from flask_babel import gettext


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
