"""The eight stages of a load: fetch, validate, transform, plan, approve, post, report, notify."""
