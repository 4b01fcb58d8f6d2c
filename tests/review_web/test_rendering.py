import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from starlette.requests import Request

import review_web
from review_web.rendering import Templates

PACKAGE = Path(review_web.__file__).parent
TEMPLATES = sorted((PACKAGE / "templates").glob("*.html"))


@dataclass(frozen=True)
class Empty:
    """No context at all."""


def a_request() -> Request:
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [], "state": {}}
    return Request({**scope, "server": ("assent.localhost", 7420), "scheme": "http"})


def test_a_name_that_the_context_lacks_is_an_error_and_not_an_empty_string() -> None:
    with pytest.raises(UndefinedError):
        Templates().respond(a_request(), "history.html", Empty())


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_inline_script_style_or_handlers(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert "<style" not in text
    assert not re.search(r"\s(?:style|on[a-z]+)\s*=", text)
    assert "javascript:" not in text


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_htmx_element_carries_the_nonce(template: Path) -> None:
    for tag in re.findall(r"<[a-z][^>]*\shx-[a-z:]+=[^>]*>", template.read_text()):
        assert 'hx-nonce="{{ nonce }}"' in tag


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_marks_anything_as_safe(template: Path) -> None:
    text = template.read_text()
    assert "| safe" not in text
    assert "|safe" not in text
    assert "autoescape" not in text


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_static_file_that_a_template_names_is_there(template: Path) -> None:
    for name in re.findall(r"static\('([^']+)'\)", template.read_text()):
        assert (PACKAGE / "static" / name).is_file(), name


def test_every_icon_that_a_template_names_is_in_the_sprite() -> None:
    sprite = set(re.findall(r'<symbol id="(\w+)"', (PACKAGE / "static" / "icons.svg").read_text()))
    used = {name for t in TEMPLATES for name in re.findall(r'icon\("(\w+)"\)', t.read_text())}
    assert used <= sprite


def test_every_page_and_every_piece_has_a_documented_context() -> None:
    pages = {t.name for t in TEMPLATES if "{% extends" in t.read_text()} | {
        t.name for t in PACKAGE.rglob("*_news.html")
    }
    said = {
        name
        for module in PACKAGE.glob("*.py")
        for name in re.findall(r'"""Context of `(\w+\.html)`', module.read_text())
    }
    assert said == pages


def test_htmx_starts_only_once_its_extensions_are_there() -> None:
    layout = (PACKAGE / "templates" / "layout.html").read_text()
    scripts = re.findall(r"<script[^>]*static\('(vendor/[^']+)'\)[^>]*>", layout)
    assert scripts == ["vendor/htmx.min.js", "vendor/hx-csp.min.js", "vendor/hx-sse.min.js"]
    assert not re.search(r"<script[^>]*vendor/[^>]*\b(?:defer|async|type)\b", layout)
