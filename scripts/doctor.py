"""Say what is installed, found and missing, and how to mend it; changes nothing. Exit code 1: something is at fault.

Reads its arguments without a package, since packages may be what is missing.
"""

import argparse
import os
import sys
from importlib.util import find_spec

from _root import ROOT

if find_spec("cytosae_core") is None:  # outside of the environment, where a doctor is needed most
    words = [sys.executable, __file__, *sys.argv[1:]]
    os.execve(sys.executable, words, {**os.environ, "PYTHONPATH": str(ROOT)})  # noqa: S606 - no shell is wanted

from cytosae_core.doctor.examine import examine_all
from cytosae_core.doctor.finding import is_well, lines_of


def main() -> None:
    """Look at everything, print the findings, and leave with 0 or 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", default="", help="database file or URL; CYTOSAE_DATABASE, else annotations.db")
    parser.add_argument("--quick", action="store_true", help="open atlases without comparing every byte")
    options = parser.parse_args()
    database = options.database or os.environ.get("CYTOSAE_DATABASE") or str(ROOT / "annotations.db")
    findings = examine_all(ROOT, database, os.environ.get("CYTOSAE_ATLAS", ""), is_quick=options.quick)
    print("\n".join(lines_of(findings)))
    sys.exit(0 if is_well(findings) else 1)


if __name__ == "__main__":
    main()
