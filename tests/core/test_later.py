"""What is imported when it is used, and not before."""

import subprocess
import sys

CODE = """
import sys; sys.path.insert(0, sys.argv[1])
from patronload.checks import validation
print("scipy.stats._stats_py" in sys.modules)
from great_expectations.expectations.core import expect_column_kl_divergence_to_be_less_than as divergence
print(round(float(divergence.stats.entropy([0.5, 0.5], [0.9, 0.1])), 4), "scipy.stats._stats_py" in sys.modules)
"""


def test_a_third_of_great_expectations_is_not_waited_for(project):
    """scipy.stats, a second of each validate, is read by the one expectation that computes with it."""
    command = [sys.executable, "-W", "ignore", "-c", CODE, str(project / "plugins")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["False", "0.5108 True"]
