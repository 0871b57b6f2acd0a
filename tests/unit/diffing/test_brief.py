"""A summary in one line, as an approval shows it."""

from diffing.model import Change, Cost, Section
from diffing.summary import Summary


def change(section: Section, name: str, says: str = "is new") -> Change:
    return Change(section, "Data", f"Data/{name}", "AWS::S3::Bucket", says)


def test_cost_and_security_come_first() -> None:
    summary = Summary(
        (
            change(Section.WIDENED, "Group", "lets in 10.0.0.0/8"),
            *(change(Section.ADDED, f"B{number}") for number in range(5)),
        ),
        costs=(Cost("Api/E", "1 x m", 1.0, 3.5), Cost("Api/F", "1 x n", None, None)),
    )
    assert summary.brief == (
        "Cost of a month: +$2.50 of what is priced. Security: allows more: Data/Group lets in"
        " 10.0.0.0/8. New: Data/B0 is new; Data/B1 is new; Data/B2 is new; and 2 more."
    )


def test_what_nobody_priced_is_said_to_be() -> None:
    summary = Summary((), costs=(Cost("Api/E", "1 x m", None, None),))
    assert summary.brief == "Cost of a month: not priced."


def test_of_no_change_it_is_empty() -> None:
    assert Summary(()).brief == ""


def test_it_is_one_line_whatever_a_name_holds() -> None:
    brief = Summary((change(Section.ADDED, "a\nb\x1b[2J"),)).brief
    assert brief.isprintable()
