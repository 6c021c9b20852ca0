"""``make proof``: nothing is over-issued, used twice or lost, in storms over HTTP, with web processes killed."""
