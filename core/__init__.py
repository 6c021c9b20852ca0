"""The kernel: what every other package stands on. It imports nothing of ours."""
