"""The pages and their assets."""

import re

import pytest

from tests.unit.dashboard.conftest import Pages

PROGRAM = {"Accept": "*/*"}
REFERENCE = re.compile(r"""(?:src|href|from)\s*=?\s*"(\.?/(?:assets/)?[\w.]+\.(?:js|css|svg))\"""")


def test_a_browser_gets_the_page(pages: Pages) -> None:
    answer = pages.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<!doctype html>" in answer.text


def test_a_program_gets_an_index_of_links(pages: Pages) -> None:
    answer = pages.get("/", headers=PROGRAM)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["links"]["ledger"] == "/api/ledger"
    assert "Accept" in answer.headers["vary"].split(", ")


@pytest.mark.parametrize(
    ("path", "meant"), [("/cart", "/carts"), ("/user/ada", "/users"), ("/zzzzzz", None)]
)
def test_whoever_looks_where_nothing_is_gets_a_page_that_leads_on(
    pages: Pages, path: str, meant: str | None
) -> None:
    answer = pages.get(path)
    assert answer.status_code == 404
    assert "Nothing is here" in answer.text
    assert ("did you mean" in answer.text) is (meant is not None)
    assert f"did you mean {meant}?" in answer.text or meant is None
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(("path", "headers"), [("/cart", PROGRAM), ("/api/cart", {})])
def test_programs_are_told_in_their_own_words_that_nothing_is_there(
    pages: Pages, path: str, headers: dict[str, str]
) -> None:
    answer = pages.get(path, headers=headers)
    assert answer.status_code == 404
    assert answer.json()["detail"] == "there is nothing at this address"


def test_the_documentation_has_its_own_page(pages: Pages) -> None:
    assert "/assets/docs.js" in pages.get("/docs").text


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_everything_a_page_needs_is_here(pages: Pages, path: str) -> None:
    waiting, seen = [path], set()
    while waiting:
        address = waiting.pop()
        answer = pages.get(address)
        assert answer.status_code == 200, address
        seen.add(address)
        found = {f"/assets/{name.rpartition('/')[2]}" for name in REFERENCE.findall(answer.text)}
        waiting += found - seen - set(waiting)
    assert len(seen) >= 4


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_scripts_and_styles_come_from_files_alone(pages: Pages, path: str) -> None:
    answer = pages.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", answer.text)


def test_no_script_makes_markup_from_text(pages: Pages) -> None:
    for name in (
        "shell.js",
        "refresh.js",
        "swap.js",
        "visit.js",
        "overview.js",
        "element.js",
        "windows.js",
        "ledger.js",
        "chart.js",
        "docs.js",
        "operation.js",
        "request.js",
    ):
        script = pages.get(f"/assets/{name}").text
        assert not re.search(
            r"innerHTML|outerHTML|DOMParser|insertAdjacentHTML|document\.write|eval", script
        )


def test_nothing_is_loaded_from_elsewhere(pages: Pages) -> None:
    for path in ("/", "/docs", "/assets/style.css", "/assets/shell.js", "/assets/docs.js"):
        text = pages.get(path).text
        assert "https://" not in text
        assert "http://" not in text


def test_an_asset_that_did_not_change_is_not_sent_again(pages: Pages) -> None:
    first = pages.get("/assets/shell.js")
    again = pages.get("/assets/shell.js", headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code) == (200, 304)
    assert again.content == b""


def test_an_answer_that_is_no_page_has_its_icon(pages: Pages) -> None:
    icon = pages.get("/favicon.ico")
    assert icon.headers["content-type"].startswith("image/svg+xml")
    assert icon.content == pages.get("/assets/favicon.svg").content


@pytest.mark.parametrize("name", ["nothing.js", "..%2Froutes.py", "%2e%2e"])
def test_only_assets_are_given_out(pages: Pages, name: str) -> None:
    assert pages.get(f"/assets/{name}").status_code == 404
