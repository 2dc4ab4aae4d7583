"""Pictures of the pages."""

import re

from deploy.screenshots import IMAGES, PICTURES

ROOT = IMAGES.parents[1]


def test_every_picture_that_is_shown_can_be_made_again() -> None:
    made = {f"{picture.name}.png" for picture in PICTURES}
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    shown = {
        name for page in pages for name in re.findall(r"images/([\w-]+\.png)", page.read_text())
    }
    assert shown
    assert shown <= made


def test_every_picture_is_there() -> None:
    assert [each.name for each in PICTURES if not (IMAGES / f"{each.name}.png").is_file()] == []
