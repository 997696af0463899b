"""Keep a library's patrons in step with its institution: fetch, validate, transform, post, report, notify."""
