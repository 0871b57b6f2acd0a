import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from proof.model import (
    Acknowledgment,
    Component,
    Expectations,
    Finding,
    Proof,
    Question,
    Reach,
    Right,
    Rule,
    ServiceUse,
    Verdict,
)
from proof.report import report
from proof.report.content import UNPRINTABLE, clean
from proof.report.text import text

VOID = {"meta", "br"}
NASTY = (
    "</style><script>alert(1)</script><img src=x onerror=y> & \" ' | ` {{ 7*7 }} \x00 \x1b[31m é"
)

words = st.one_of(
    st.text(max_size=12), st.sampled_from([NASTY, "]]>", "<!--", "a|b", "*bold*", "Api.Role"])
)
few = st.lists(words, max_size=3).map(tuple)
questions = st.sampled_from(Question)
findings = st.builds(
    Finding, questions, words, words, words, st.sampled_from(Verdict), words, few, words
)
proofs = st.builds(
    Proof,
    subject=words,
    templates=few,
    rules=st.lists(st.builds(Rule, questions, words, words, st.integers(0, 99)), max_size=3).map(
        tuple
    ),
    findings=st.lists(findings, max_size=4).map(tuple),
    components=st.lists(st.builds(Component, words, words, words, words), max_size=6).map(tuple),
    reaches=st.lists(st.builds(Reach, words, words, words, words, few), max_size=6).map(tuple),
    rights=st.lists(st.builds(Right, words, few, few, few, few, words), max_size=3).map(tuple),
    services=st.lists(
        st.builds(
            ServiceUse,
            words,
            words,
            st.sampled_from(["interface", "gateway", "shared", ""]),
            st.integers(0, 6),
            few,
        ),
        max_size=3,
    ).map(tuple),
    acknowledgments=st.lists(st.builds(Acknowledgment, words, words, words), max_size=3).map(tuple),
    expectations=st.builds(
        Expectations,
        st.frozensets(words, max_size=2),
        st.frozensets(words, max_size=2),
        words,
        st.lists(st.tuples(words, words), max_size=2).map(tuple),
        st.lists(st.tuples(words, words), max_size=2).map(tuple),
        st.sampled_from([0.0, 0.014]),
    ),
)


class Page(HTMLParser):
    """Reads a page as strictly as browsers do not: every tag has its end."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(content)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return flat("".join(self.texts))


def flat(value: str) -> str:
    return " ".join(str(clean(value)).split())


def proof(**changes: object) -> Proof:
    rule = Rule(Question.WAYS, "way.gateway", "No internet gateway is attached.", 3)
    whole = Proof("prod", ("Api.template.json",), (rule,), (), (), (), (), ())
    return replace(whole, **changes)  # type: ignore[arg-type]


def finding(verdict: Verdict = Verdict.VIOLATION) -> Finding:
    return Finding(
        Question.WAYS,
        "way.gateway",
        "Network.template.json",
        "Gateway",
        verdict,
        "An internet gateway is attached.",
        ("Network.Vpc", "Network.Gateway"),
        "Take it away.",
    )


def shown(subject: Proof, width: int = 200) -> str:
    out = StringIO()
    Console(file=out, width=width, no_color=True).print(report.summary(subject))
    return out.getvalue()


@settings(max_examples=60, deadline=None)
@given(subject=proofs)
def test_any_proof_is_a_page_of_its_own_with_all_that_was_found(subject: Proof) -> None:
    content = report.page(subject)
    assert content == report.page(subject)
    page = Page(content)
    assert page.tags.isdisjoint({"script", "img", "link", "iframe", "object", "use", "image"})
    for name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("href", "src"):
            assert value.startswith("#")
    style = re.search(r"<style>(.*?)</style>", content, re.DOTALL)
    assert style is not None
    assert "@import" not in style[1]
    assert "url(" not in style[1]
    for each in subject.findings:
        for said in (each.says, each.mend, each.rule, each.template, each.logical_id, *each.path):
            assert flat(said) in page.text
    assert not UNPRINTABLE.search(content)
    pictures = re.findall(r"<svg.*?</svg>", content, re.DOTALL)
    assert len(pictures) == bool(subject.components or subject.reaches)
    for picture in pictures:
        ET.fromstring(picture)  # noqa: S314


@settings(max_examples=40, deadline=None)
@given(subject=proofs)
def test_any_proof_is_text_and_data_and_fits_a_terminal(subject: Proof) -> None:
    assert json.loads(report.data(subject))["verdict"]
    said = text(subject)
    # Tables keep their columns: a bar that was not meant as one is escaped.
    for block in re.findall(r"(?:^\|.*\n)+", said, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}) == 1
    assert "<script" not in said
    assert "\x1b[31m" not in shown(subject)


@pytest.mark.parametrize("subject", ["prod", "../../etc/passwd", "a b/c", "", "..", NASTY])
def test_files_are_called_after_the_subject_and_stay_in_the_folder(
    subject: str, tmp_path: Path
) -> None:
    folder = tmp_path / "deep" / "proof"
    paths = report.write(proof(subject=subject), folder)
    assert [path.suffix for path in paths] == [".html", ".md", ".json"]
    assert sorted(folder.iterdir()) == sorted(paths)


def test_equal_proofs_give_equal_bytes(tmp_path: Path) -> None:
    names = [f"tgw-{number:02}" for number in range(40)]
    first, second = (
        [path.read_bytes() for path in report.write(subject, tmp_path / str(at))]
        for at, subject in enumerate(
            proof(expectations=Expectations(frozenset(each))) for each in (names, names[::-1])
        )
    )
    assert first == second
    assert json.loads(first[2])["expectations"]["attachments"] == names


def test_a_report_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (page, *_) = report.write(proof(), tmp_path)
    before = page.read_bytes()

    def full(self: Path, *_: object, **__: object) -> int:
        self.write_bytes(b"<!doct")
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="no space"):
        report.write(proof(findings=(finding(),)), tmp_path)
    assert page.read_bytes() == before


@pytest.mark.parametrize(
    ("found", "says", "holds"),
    [
        ((), "Everything holds", True),
        ((finding(),), "1 violation", False),
        ((finding(), replace(finding(), logical_id="B")), "2 violations", False),
        ((finding(Verdict.UNDECIDED),), "1 undecided", False),
        ((finding(), finding(Verdict.UNDECIDED)), "1 violation, 1 undecided", False),
        ((finding(Verdict.WARNING),), "Everything holds, 1 warning", True),
        ((finding(Verdict.WARNING), finding()), "1 violation, 1 warning", False),
    ],
)
def test_the_verdict_stands_first(found: tuple[Finding, ...], says: str, holds: bool) -> None:
    subject = proof(findings=found)
    assert f"{says}\n<small>" in report.page(subject)
    assert text(subject).splitlines()[2].startswith(f"**{says}.**")
    assert json.loads(report.data(subject))["holds"] is holds
    assert shown(subject).rstrip().endswith(f"prod: {says}.")


def test_nothing_is_fine_that_nobody_examined() -> None:
    empty = proof(rules=())
    assert json.loads(report.data(empty))["holds"] is False
    assert "Nothing was examined" in report.page(empty)
    assert "Everything holds" not in report.page(empty)


def test_the_terminal_takes_no_orders_from_what_was_found() -> None:
    spoiled = Finding(
        Question.WAYS, "\x1b[31m", "\x1b[2J", "\x07", Verdict.UNDECIDED, "\x9b", ("\x1b",), "\x00"
    )
    assert not UNPRINTABLE.search(shown(proof(subject="\x1b[0m", findings=(spoiled,))))


def test_the_terminal_shows_where_and_how_to_mend() -> None:
    said = shown(proof(findings=(finding(),)))
    for part in (
        "violation way.gateway Network.template.json Gateway",
        "An internet gateway is attached.",
        "path: Network.Vpc → Network.Gateway",
        "mend: Take it away.",
    ):
        assert part in said


class TestBill:
    SERVICES = (
        ServiceUse("logs", "Network.Logs", "interface", 3, ("Tracking.Role: logs",)),
        ServiceUse("ecr.api", "Network.Ecr", "interface", 2, ()),
        ServiceUse("ecr.dkr", "Network.Ecr", "interface", 2, ()),
        ServiceUse("s3", "Network.S3", "gateway", 0, ()),
        ServiceUse("kms", "vpce-1", "shared", 3, ()),
        ServiceUse("sts", "", "", 0, ("Api.Role",)),
    )

    def test_adds_up_each_zone_of_each_endpoint_once(self) -> None:
        subject = proof(services=self.SERVICES, expectations=Expectations(price=0.01))
        bill = json.loads(report.data(subject))["bill"]
        assert (bill["endpoints"], bill["places"], bill["shared"]) == (2, 5, 1)
        assert bill["month"] == 36.5
        for said in (report.page(subject), text(subject), shown(subject)):
            said = said.replace("\\", "")
            assert "2 interface endpoints, 5 endpoint zones x $0.01 x 730 h = $36.50" in said
            assert "$36.50 a month saved." in said
            assert "Reached that way already: 1 service." in said
        assert "$21.90" in report.page(subject)

    def test_says_that_the_price_is_unknown(self) -> None:
        subject = proof(services=self.SERVICES)
        assert "Price unknown: set" in report.page(subject)
        assert "$" not in re.sub(r"<style>.*</style>", "", report.page(subject), flags=re.DOTALL)


def test_what_was_named_and_accepted_is_listed() -> None:
    subject = proof(
        expectations=Expectations(
            frozenset({"tgw-1"}),
            frozenset({"333333333333"}),
            "o-abc",
            (("kms", "vpce-1"),),
            (("api.key_only", "A training environment."),),
        ),
        acknowledgments=(
            Acknowledgment("Pack-A", "App/One", "The same reason."),
            Acknowledgment("Pack-B", "App/Two", "The same reason."),
        ),
    )
    for said in (report.page(subject), text(subject).replace("\\", "")):
        for part in (
            *("tgw-1", "333333333333", "o-abc", "vpce-1", "api.key_only"),
            *("A training environment.", "Pack-A", "Pack-B", "App/One", "App/Two"),
        ):
            assert part in said
        assert said.count("The same reason.") == 1
