"""Pages of sharing: its figures, the tree, rewards, fraud rules and channels."""
