"""One load between its stages: lease, approval, gates against earlier loads."""
