"""Keep the patrons of a library system up to date: fetch, validate, transform, plan, approve, post, report, notify."""

__version__ = "0.1.0"
