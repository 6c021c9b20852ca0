"""What a WSGI server imports: ``wsgi:app``."""

import gc

from app.factory import create_app

app = create_app()
gc.collect()
gc.freeze()  # what has been loaded stays: searching it for garbage again and again costs a twentieth of the time
