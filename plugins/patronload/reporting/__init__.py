"""Describe a load to people: report, mails, pages."""
