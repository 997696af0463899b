"""What keeps people out of a page: what axe finds, what sticks out of the window, what no key reaches."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

WIDTHS = (1440, 1024, 390)
"""A desk, a tablet or a narrow window, and a phone."""

SCHEMES = ("light", "dark")

REACHABLE = """() => [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')]
  .filter(each => each.tabIndex >= 0 && each.checkVisibility()).length"""
"""How many elements of a page somebody with a keyboard has to reach."""

FOCUSED = """() => {
  const each = document.activeElement;
  if (!each || each === document.body || each.dataset.reached) return '';
  each.dataset.reached = 'yes';
  return each.tagName;
}"""
"""What has the focus, if it did not have it before."""


TEXT_AT = """() => Math.min(...[...document.querySelectorAll('h1, h2, main p')]
  .filter(each => each.checkVisibility() && each.innerText.trim()).map(each => each.getBoundingClientRect().left))"""
"""How far the text that is nearest to the left edge of the window is from it, in pixels."""

MARGIN = 12


def faults(page: Page) -> list[str]:
    """What is wrong with a page at its width, and where: what axe finds, what sticks out, what lacks a margin."""
    found = [
        f"{rule['id']}: {node['target']} {node['html'][:160]}"
        for rule in Axe().run(page).response["violations"]
        for node in rule["nodes"]
    ]
    width = page.viewport_size["width"] if page.viewport_size else 0
    if page.evaluate("document.documentElement.scrollWidth") > width:
        found.append(f"sticks out of {width} px")
    if page.evaluate(TEXT_AT) < MARGIN:
        found.append("text at the edge of the window")
    return found


def unreached(page: Page) -> int:
    """How many elements the Tab key does not reach."""
    missing = int(page.evaluate(REACHABLE))
    for _ in range(missing + 1):
        page.keyboard.press("Tab")
        missing -= bool(page.evaluate(FOCUSED))
    return missing
