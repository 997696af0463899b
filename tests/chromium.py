"""The browser that is installed; the tests that look at pages with it are skipped on a machine without one."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

INSTALLED = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def chromium(*options: str) -> Iterator[Browser]:
    """A browser without a window."""
    if INSTALLED is None:
        pytest.skip("there is no chromium, chromium-browser or google-chrome on this machine")
    # It keeps the machine's time: below libfaketime it uses all processors and never shows a page.
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    words = ["--headless", "--no-sandbox", *options]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=INSTALLED, args=words, env=dict(environment))
        yield browser
        browser.close()
