"""Serve another application by the command of ``serve``: python -m benchmarks.serve_like URL PORT APPLICATION."""

import os
import sys

from app.config import load_settings
from app.processes import web_command

if __name__ == "__main__":
    _, database_url, port, application = sys.argv
    words = web_command(load_settings(database_url=database_url), host="127.0.0.1", port=int(port))
    os.execv(words[0], [*words[:-1], application])
