"""Keep a library's patrons in step with its institution: fetch, validate, transform, plan, post, report, notify."""
