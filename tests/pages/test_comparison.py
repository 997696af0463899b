"""Two loads beside each other, and for how long the same rows are rejected."""

from urllib.parse import urlencode

import pytest
from leftovers import build, rejects

from tests.pages.conftest import Rights, Site, in_words

HEADER = "ID|NAME|reject_row|reject_reason\n"


@pytest.fixture
def history(site: Site, counted) -> list[str]:
    """Four days with rejects, the oldest first: another row, and then the same two rows three times; their pages."""
    dag_id = site.add_library("northfield", "Patron load: Northfield College")
    days = [counted("loaded_with_rejects", rejected=2, day=f"2026-11-{day}") for day in (11, 12, 13, 20)]
    run_ids = site.add_loads(dag_id, days)
    for place, run_id in enumerate(run_ids):
        made = build(rejects=rejects((place + 2, "validate", "ID is empty"), (14, "plan", f"reason {place // 3}")))
        site.put(dag_id, run_id, "report.json", made.model_copy(update={"run": run_id}).model_dump_json())
        rows = "7|Kim|3|x\n8|Lee|4|x\n" if place else "9|Max|3|x\n8|Lee|4|x\n"
        # The number of the row in the file, and our reason, may differ from day to day.
        site.put(dag_id, run_id, "rejects.csv", HEADER + rows.replace("|3|", f"|{place + 2}|"))
    site.rights = Rights(read=frozenset({dag_id}))
    return [f"/runs/{dag_id}/{run_id}/compare" for run_id in run_ids]


def test_the_same_rows_for_days(site: Site, history: list[str]):
    """From the first day on which exactly these rows were rejected to this load's day; no patron is shown."""
    html = site.get(history[-1]).text
    said = in_words(html)
    assert "2026-11-20 compared with 2026-11-13" in said
    assert "The same 2 rows have been rejected for 9 days." in said
    assert "reason 1 1 0 +1" in said
    assert "reason 0 0 1 -1" in said
    assert "ID is empty 1 1 –" in said
    assert not {"Kim", "Lee", "Max"} & set(said.split())


def test_some_of_the_rows(site: Site, history: list[str]):
    """Where the rows are not all the same, their number."""
    assert "1 of the 2 rejected rows was rejected in the load before it, too." in in_words(site.get(history[1]).text)


def test_any_two_loads_can_be_compared(site: Site, history: list[str]):
    """A list has the earlier loads; the first load has none."""
    oldest = history[0].split("/")[3]
    assert "2026-11-20 compared with 2026-11-11" in in_words(
        site.get(f"{history[-1]}?{urlencode({'other': oldest})}").text
    )
    assert "There is no earlier load" in in_words(site.get(history[0]).text)


def test_who_may_not_read_the_library_sees_no_comparison(site: Site, history: list[str]):
    """The page needs the right to read the library's runs, and nothing more."""
    site.rights = Rights()
    assert site.get(history[-1]).status_code == 403
