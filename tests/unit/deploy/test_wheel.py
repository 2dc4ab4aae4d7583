"""What a wheel is made of is compared with what is pinned."""

from deploy.tools import ROOT
from deploy.wheel import differing, pinned

PINS = 'numpy==2.4.6 \\\n    --hash=sha256:ab\ncolorama==0.4.6 ; sys_platform == "win32" \\\n'


def test_what_is_installed_is_what_is_pinned():
    pins = pinned(PINS)
    assert pins == {"numpy": "2.4.6", "colorama": "0.4.6"}
    found = [{"name": "NumPy", "version": "2.4.6"}, {"name": "pip", "version": "1"}]
    assert differing(found, pins) == []
    found += [{"name": "colorama", "version": "0.5"}, {"name": "a_stranger", "version": "1"}]
    assert differing(found, pins) == [
        "a-stranger is 1, and nothing is pinned",
        "colorama is 0.5, and 0.4.6 is pinned",
    ]


def test_every_pin_has_its_hashes():
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        blocks = path.read_text().split("\n")
        names = [number for number, line in enumerate(blocks) if "==" in line.split(";")[0]]
        assert names != [], path
        assert all("--hash=sha256:" in blocks[number + 1] for number in names), path
