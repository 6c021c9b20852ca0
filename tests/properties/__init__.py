"""What holds after any sequence of actions."""
