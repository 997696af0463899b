"""FOLIO, connected: mod-user-import and what is read around it."""
