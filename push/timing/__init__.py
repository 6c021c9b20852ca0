"""When a push goes: schedules, zones, events in members' lives, quiet hours and caps."""
