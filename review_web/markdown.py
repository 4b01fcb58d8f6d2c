"""Markdown from agents, through an allow-list.

No raw HTML, no images, no relative links, nothing that is loaded. Links name their host beside the text, because the
text is the agent's to choose. What the parser lets through is cleaned once more, so that a fault in one of the two
is not a hole.
"""

import re
from collections.abc import Iterator, Sequence
from html import unescape
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup

from review_web.visible import marked

_TAGS = {
    *("p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a", "span", "div", "bdi"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {
    "a": {"href", "target"},
    "ol": {"start"},
    "span": {"title"},
    "div": {"tabindex", "role", "aria-label"},
}
_CLASSES = {"p": {"agent-heading", "host"}, "span": {"code-point", "mixed", "host"}, "div": {"scroll"}}

# The parser's time grows with the square of some hostile texts; above this a text is shown as it was written.
_LONGEST = 16 * 1024
_RUNS = re.compile(r"[^\W_]{2,}")
_LIST_NUMBERS = re.compile(r"^[ \t>*+-]*\d{1,9}[.)]", re.MULTILINE)


def to_html(text: str) -> Markup:
    """`text` as safe HTML; unseen characters in it are marked.

    Markdown can make words disappear: cells beyond a table's last column, blocks nested too deeply. A text that would
    lose any is shown as it was written, because a reviewer decides on all of it.
    """
    tokens = _PARSER.parse(text) if len(text) <= _LONGEST else None
    if tokens is None or not _shows_every_word(text, tokens):
        return Markup("<pre>{}</pre>").format(marked(text))
    clean = nh3.clean(
        _PARSER.renderer.render(tokens, _PARSER.options, {}),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        allowed_classes=_CLASSES,
        url_schemes={"http", "https"},
        link_rel="noopener noreferrer nofollow",
    )
    return Markup(clean)  # noqa: S704 - nh3 has just cleaned it


def _shows_every_word(text: str, tokens: Sequence[Token]) -> bool:
    shown = "\n".join(_printed(tokens))
    place = 0
    for run in _RUNS.findall(unescape(_LIST_NUMBERS.sub("", text))):
        place = shown.find(run, place)
        if place < 0:
            return False
        place += len(run)
    return True


def _printed(tokens: Sequence[Token]) -> Iterator[str]:
    """What the renderer below prints of each token, and the addresses that links carry, in the order of the text."""
    for index, token in enumerate(tokens):
        if token.type == "link_close":
            address, title = _link_of(tokens, index)
            yield from (address, title)
        elif token.type == "image":
            source = str(token.attrGet("src") or "")
            yield from (token.content, source, str(token.attrGet("title") or ""))
        elif token.children is not None:
            # Emphasis inside a word cuts it into pieces that stand side by side on the page.
            yield "".join(_printed(token.children))
        else:
            yield from (token.info, token.content) if token.type == "fence" else (token.content,)


def host_of(address: str) -> str | None:
    """The host that `address` leads to, in its ASCII form, so that look-alike letters show; None when it has none."""
    try:
        parts = urlsplit(address)
        host = parts.hostname if "\\" not in address else None  # browsers end the host there, other readers do not
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    return ".".join(map(_ascii_label, host.split("."))) + port


def _ascii_label(label: str) -> str:
    # Letter by letter, without the mappings of IDNA: its versions differ, and `faß` is not `fass` to a browser.
    if label.isascii():
        return label if label.isprintable() else ascii(label)
    return "xn--" + label.encode("punycode", "backslashreplace").decode("ascii")


class _CardRenderer(RendererHTML):
    def text(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return marked(tokens[idx].content)

    def code_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return Markup("<code>{}</code>").format(marked(tokens[idx].content))

    def code_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return Markup("<pre><code>{}</code></pre>\n").format(marked(tokens[idx].content))

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        info = tokens[idx].info.strip()
        label = Markup('<p class="host">{}:</p>').format(marked(info)) if info else ""
        return label + self.code_block(tokens, idx, options, env)

    def softbreak(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return "\n"

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        source = str(tokens[idx].attrGet("src") or "")
        host = host_of(source) or "no host"
        title = str(tokens[idx].attrGet("title") or "")
        said = [marked(text) for text in (tokens[idx].content, title) if text]
        return Markup("[image “{}”, not loaded: <code>{}</code> at {}]").format(
            Markup(": ").join(said), marked(source), host
        )

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        address = str(tokens[idx].attrGet("href") or "")
        if host_of(address) is None:
            return "<span>"
        return Markup('<a href="{}" target="_blank">').format(address)

    def link_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        address, title = _link_of(tokens, idx)
        named = Markup(" “{}”").format(marked(title)) if title else ""
        host = host_of(address)
        if host is None:
            return Markup('</span>{} <span class="host">(not a link: {})</span>').format(named, marked(address))
        return Markup('</a>{} <span class="host">({})</span>').format(named, host)

    def heading_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        # An agent's heading is no heading of the page: it must not pass for one of the card's own.
        return '<p class="agent-heading">'

    def heading_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return "</p>\n"

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return '<div class="scroll" tabindex="0" role="group" aria-label="table"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return "</table></div>\n"


def _link_of(tokens: Sequence[Token], closing: int) -> tuple[str, str]:
    """Address and title of the link that ends at `closing`."""
    for token in reversed(tokens[:closing]):
        if token.type == "link_open" and token.level == tokens[closing].level:
            return str(token.attrGet("href") or ""), str(token.attrGet("title") or "")
    return "", ""


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}, renderer_cls=_CardRenderer).enable(["table", "strikethrough"])
    # A definition `[name]: address` is taken off the page; without the rule it stays where it was written.
    parser.disable("reference")
    # The default refuses some addresses silently, which leaves odd raw text; every link is judged in `link_open`.
    parser.validateLink = _any_address  # type: ignore[method-assign, assignment]
    # Addresses stay as they were written: `host_of` judges them, and the browser encodes them.
    parser.normalizeLink = _as_written  # type: ignore[method-assign, assignment]
    return parser


def _any_address(address: str) -> bool:
    return True


def _as_written(address: str) -> str:
    return address


_PARSER = _parser()

__all__ = ["host_of", "to_html"]
