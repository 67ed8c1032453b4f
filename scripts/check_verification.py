#!/usr/bin/env python3
"""Checks docs/verification.md: no checklist number lacks a test, and every function and test named there exists."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "verification.md"
SOURCES = ["controller", "filter", "tests"]
ROWS = ROOT / "tests" / "src" / "table" / "rows"
REQUIRED = (
    [f"V{n}" for n in range(1, 20)]
    + [f"B{n}" for n in range(1, 10)]
    + [f"J{n:02}" for n in range(1, 20)]
    + [f"P{n}" for n in range(1, 13)]
)
# Known and not built; its row says so.
UNTESTED = ["B10"]


def main():
    rows = {}
    for line in DOCUMENT.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"[VBJP]\d+", cells[0]):
            rows[cells[0]] = cells
    faults = [f"{number}: no row" for number in REQUIRED + UNTESTED if number not in rows]
    faults += [f"{number}: not a number of the checklist" for number in rows if number not in REQUIRED + UNTESTED]
    known = tests()
    for number, cells in rows.items():
        named = re.findall(r"`([a-z0-9_]+)`", cells[-1])
        if not named and number not in UNTESTED:
            faults.append(f"{number}: no test")
        faults += [f"{number}: there is no test {name}" for name in named if name not in known]
        faults += [f"{number}: no test has the number in its name"] if named and not any(map(about(number), named)) else []
        faults += [f"{number}: {fault}" for fault in missing_functions(cells[3])]
    for fault in faults:
        print(f"{DOCUMENT.relative_to(ROOT)}: {fault}", file=sys.stderr)
    return 1 if faults else 0


def tests():
    """Names of test functions, those of the macro in filter/jwt-svid/tests/attacks.rs among them, and of the table's rows."""
    names = set()
    for folder in SOURCES:
        for path in (ROOT / folder).rglob("*.rs"):
            text = path.read_text()
            names.update(re.findall(r"#\[(?:tokio::)?test[^\n]*\]\s+(?:#\[[^\n]*\]\s+)*(?:async )?fn (\w+)", text))
            names.update(re.findall(r"^    fn (\w+)\(.*\) \{$", text, re.M) if "proptest! {" in text else [])
            names.update(re.findall(r"^    ([bjv]\d+_\w+)$", text, re.M))
    for path in ROWS.rglob("*.rs"):
        names.update(re.findall(r'"([pv]\d\d_\w+)"', path.read_text()))
    return names


def about(number):
    """Whether a test's name begins with the number, perhaps behind other numbers: `v17_p08_…` is about P8 too."""
    begins = re.compile(rf"(?:[a-z]\d+_)*{number[0].lower()}0?{int(number[1:])}_")
    return lambda name: begins.match(name)


def missing_functions(cell):
    for name, target in re.findall(r"\[`([\w:]+)`\]\(([^)]+)\)", cell):
        path = (DOCUMENT.parent / target).resolve()
        item = name.split("::")[-1]
        if not path.is_file():
            yield f"there is no file {target}"
        elif not re.search(rf"\b(fn|struct|enum|const|trait) {item}\b", path.read_text()):
            yield f"{target} has no {name}"


sys.exit(main())
