"""Text that people wrote does nothing on a forge."""

import html
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from allotment_hub.forges.pull_requests.markdown import TITLE_LENGTH, ZERO_WIDTH_SPACE, inline, quotation, title

RENDERER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
FORGE_ACTS_ON = {
    "mention": r"@[\w-]",
    "reference": r"[#!$%&~^][\w\"\[]",
    "tracker": r"\b(GH|gh|[A-Z]+)-\d",
    "address": r"\w:/|\bwww\.|\b(mailto|xmpp|tel|sms|magnet):|:[\w+-]+:",
    "commit": r"\b[0-9a-f]{7,64}\b",
}
HOSTILE = [
    "@everyone and @org/team", "fixes #1", "Closes: octo/repo#12", "resolves https://github.com/o/r/issues/1", "GH-7",
    "!7", "![x](https://evil.example/pixel.png)", "[click](javascript:alert(1))", "<img src=https://evil.example/x>",
    "<!-- x", "www.evil.example", "somebody@example.org", "/approve", "/merge", "~label", "%milestone", "$1", "&1",
    ":tada:", "^alert#1", "# heading", "- item", "1. item", "> quote", "```\ncode", "    code",
    "| a | b |\n| - | - |", "a\n===", "[a]: /b \"c\"", "\\@everyone", "\u202eevil", "a\u2028/approve", "deadbeef12",
    "org/repo@deadbeef1", "&#64;everyone", "&lt;b&gt;", "\\", "`@x`", "0123456789abcdef0123456789abcdef01234567",
    "ABCDEF1234567", "a/b>", "[issue:1]", "*iteration:1", "``@x", "`` @x ``", "a`b@c", "[[page]]", "{+more+}", "$x$",
    "mailto:a", "_a_ *b* ~~c~~", "\\`#1`", "`#1", "(#1),", "a\\ #1 \\",
]  # fmt: skip
ALONE = ("ul", "li", "strong", "code")
texts = st.one_of(
    st.text(max_size=200),
    st.text(alphabet="@#!:/\\<>[]()`*_~|&;$%^-+=.'\" \n\tabGHwW017", max_size=60),
    st.lists(st.sampled_from(HOSTILE), max_size=4).map(" ".join),
    st.lists(st.sampled_from(HOSTILE), max_size=4).map("\n".join),
)


def visible(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", markup))


def outside_code(text: str) -> str:
    """Return Markdown without its code, on which no forge acts."""
    return re.sub(r"(?<![`\\])(`+)(?!`).*?(?<!`)\1(?!`)", "", text)


def assert_harmless(text: str) -> None:
    for what, pattern in FORGE_ACTS_ON.items():
        assert not re.search(pattern, text), f"{what} in {text!r}"


@given(texts)
def test_text_in_a_line_renders_as_the_same_text_and_as_nothing_else(text: str) -> None:
    markdown = inline(text)
    rendered = RENDERER.render(f"Reason: {markdown}.")
    assert set(re.findall(r"<(/?\w+)", rendered)) <= {"p", "/p", "code", "/code"}
    assert_harmless(visible(re.sub(r"<code>.*?</code>", "", rendered)))
    assert_harmless(outside_code(markdown))
    assert not re.search(r"(?<!\w)@\w", markdown)  # programs that read along look into code, too
    assert not re.search(r"^\s*/", markdown, re.MULTILINE)
    alone = RENDERER.render(f"- {markdown}\n- **x{markdown}**")
    assert set(re.findall(r"<(/?\w+)", alone)) <= {f"{end}{tag}" for end in ("", "/") for tag in ALONE}
    kept = "".join(character for character in text if character.isprintable() and not character.isspace())
    shown = visible(rendered).removeprefix("Reason: ").rstrip().removesuffix(".")
    if len(text) < 1000:
        assert re.sub(rf"[\s{ZERO_WIDTH_SPACE}]", "", shown) == re.sub(rf"[\s{ZERO_WIDTH_SPACE}]", "", kept)


@given(texts)
def test_text_of_several_lines_stays_inside_its_quotation(text: str) -> None:
    markdown = quotation(text)
    rendered = RENDERER.render(f"Why:\n\n{markdown}\n\nEnd.")
    assert rendered.startswith("<p>Why:</p>\n<blockquote>")
    assert rendered.endswith("</blockquote>\n<p>End.</p>\n")
    assert set(re.findall(r"<(/?\w+)", rendered)) <= {"p", "/p", "blockquote", "/blockquote", "code", "/code"}
    assert all(line.startswith(">") for line in markdown.splitlines())
    assert_harmless(visible(re.sub(r"<code>.*?</code>", "", rendered)))


@given(texts)
@example("DRAFT")
@example("[wip] larger")
def test_a_title_is_one_line_that_mentions_and_closes_nothing(text: str) -> None:
    line = title(text)
    assert line
    assert len(line) <= TITLE_LENGTH
    assert len(line.splitlines()) == 1
    assert_harmless(line)
    assert title(line) == line
    assert not re.match(r"(?i)\s*[\[(]?(draft|wip)", line)


@pytest.mark.parametrize("text", ["Draft: x", "[WIP] x", "(draft) x", "  wip: x"])
def test_a_title_makes_no_draft(text: str) -> None:
    assert title(text).startswith(ZERO_WIDTH_SPACE)


def test_ordinary_text_stays_as_it_was() -> None:
    assert title("Memory of the bulletin: 4 GiB → 8 GiB") == "Memory of the bulletin: 4 GiB → 8 GiB"
    assert inline("Needed until June") == "Needed until June"
    assert quotation("One line\n\nand another") == "> One line\n>\n> and another"


@pytest.mark.parametrize(
    "text",
    [
        "memory limit 4 GiB → 8 GiB (+4 GiB), from €0.04 to €0.05 an hour",
        "housing/notebook: image quay.io/jupyter/scipy-notebook:1.2 → 1.3",
        "Leads of Housing (/moj/housing/leads), or an administrator; see 10:30, 50%, A/B",
        "AWS_DEFAULT_REGION = eu-west-2, key “x”, it's 'new' & better!",
    ],
)
def test_what_forges_do_not_act_on_has_no_sign_that_nobody_wrote(text: str) -> None:
    assert inline(text) == text


def test_what_they_act_on_can_be_copied_as_it_is() -> None:
    digest = "quay.io/jupyter/notebook@sha256:" + 64 * "a"
    assert inline(f"image {digest}, see (https://example.org/x)") == f"image `{digest}`, see (`https://example.org/x`)"
    assert inline("fixes #1.") == "fixes `#1`."
    assert inline("a*b_ [c]") == r"a\*b\_ \[c\]"
    assert inline("1. one") == r"1\. one"
    assert inline("/approve") == r"\/approve"
