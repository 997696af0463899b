"""Concord Infiniti, connected: its user import."""
