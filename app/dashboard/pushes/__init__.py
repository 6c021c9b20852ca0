"""Pages of pushes: segments, the editor, templates, calendar, progress, effect, addresses."""
