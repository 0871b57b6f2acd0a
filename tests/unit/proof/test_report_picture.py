import re
import xml.etree.ElementTree as ET

from proof.model import Component, Reach
from proof.report.boxes import gather
from proof.report.layout import place
from proof.report.picture import draw


def component(name: str, kind: str, template: str = "", label: str = "") -> Component:
    return Component(name, label or name, kind, template)


def reach(source: str, target: str, port: str = "tcp/443") -> Reach:
    return Reach(source, target, port, "", ())


def platform(endpoints: int) -> tuple[list[Component], list[Reach]]:
    components = [
        component("Api.Function", "function", "Api.template.json"),
        component("Data.Database", "database", "Data.template.json"),
        component("Net.S3", "endpoint", "Net.template.json"),
        component("Net.Logs", "endpoint", "Net.template.json"),
        component("aws:logs", "service"),
        component("Client", "client"),
    ]
    reaches = [
        reach("Client", "Api.Function"),
        reach("Api.Function", "Data.Database", "tcp/3306"),
        reach("Net.Logs", "aws:logs"),
    ]
    for number in range(endpoints):
        stack = f"Endpoint-{number:02}"
        components += [
            component(f"{stack}.Model", "model", f"{stack}.template.json", stack),
            component(f"{stack}.Sidecar", "task", f"{stack}.template.json"),
        ]
        reaches += [
            reach(f"{stack}.Model", f"{stack}.Sidecar", "tcp/80"),
            reach(f"{stack}.Model", "Net.S3"),
            reach(f"{stack}.Sidecar", "Net.Logs"),
        ]
    return components, reaches


def test_alike_stacks_are_one_box_for_each_of_their_components() -> None:
    boxes, arrows = gather(*platform(20))
    labels = {box.label for box in boxes}
    assert {"Endpoint-00 and 19 more", "Endpoint-00.Sidecar and 19 more"} <= labels
    assert len(boxes) == 8
    assert {len(box.members) for box in boxes} == {1, 20}
    lanes = {box.lane for box in boxes if len(box.members) > 1}
    assert lanes == {"Endpoint-00 and 19 more"}
    inner = [a for a in arrows if a.source.endswith("Model") and a.target.endswith("Sidecar")]
    assert [arrow.ports for arrow in inner] == [("tcp/80",)]


def test_a_stack_that_reaches_something_else_stands_for_itself() -> None:
    components, reaches = platform(5)
    boxes, _ = gather(components, [*reaches, reach("Endpoint-03.Model", "Data.Database")])
    labels = {box.label for box in boxes}
    assert {"Endpoint-03", "Endpoint-00 and 3 more"} <= labels
    # Its sidecar is reached by another kind of model now: it stands for itself as well.
    assert {"Endpoint-03.Sidecar", "Endpoint-00.Sidecar and 3 more"} <= labels


def test_a_connection_is_led_through_the_endpoint_that_allows_it() -> None:
    components, reaches = platform(0)
    reaches.append(Reach("Api.Function", "aws:s3", "tcp/443", "", ("Net.S3", "Api.Policy")))
    reaches.append(Reach("Api.Function", "Net.S3", "tcp/443", "", ("Net.S3",)))
    ends = {(arrow.source, arrow.target) for arrow in gather(components, reaches)[1]}
    assert {("Api.Function", "Net.S3"), ("Net.S3", "aws:s3")} <= ends
    assert ("Api.Function", "aws:s3") not in ends


def test_two_are_two_boxes() -> None:
    boxes, _ = gather(*platform(2))
    assert {len(box.members) for box in boxes} == {1}


def test_services_of_aws_are_never_merged() -> None:
    components = [component(f"aws:{each}", "service") for each in "abcd"]
    assert len(gather(components, [])[0]) == 4


def test_boxes_do_not_cover_one_another_and_stand_in_their_frames() -> None:
    boxes, arrows = gather(*platform(20))
    places, lanes, frame, (width, height) = place(boxes, arrows)
    assert frame is not None
    spots = sorted(places.values())
    for at, (x1, y1, w1, h1) in enumerate(spots):
        assert x1 >= 0
        assert x1 + w1 <= width
        assert y1 + h1 <= height
        for x2, y2, _, _ in spots[at + 1 :]:
            assert x1 + w1 <= x2 or y1 + h1 <= y2 or y2 + h1 <= y1
    left, top, wide, tall = frame
    for box in boxes:
        x, y, w, h = places[box.id]
        inside = left <= x and x + w <= left + wide and top <= y and y + h <= top + tall
        assert inside == (box.kind not in ("client", "service"))
    names = {name for name, _ in lanes}
    assert names == {"Api", "Data", "Net", "Endpoint-00 and 19 more"}
    tops = [lane[1] for _, lane in lanes]
    assert tops == sorted(set(tops))


def test_arrows_lead_to_the_right_where_there_is_no_circle() -> None:
    boxes, arrows = gather(*platform(3))
    places, *_ = place(boxes, arrows)
    assert all(places[arrow.source][0] < places[arrow.target][0] for arrow in arrows)


def test_a_circle_is_drawn() -> None:
    components = [component(f"A.{each}", "task", "A.json") for each in "ab"]
    reaches = [reach("A.a", "A.b"), reach("A.b", "A.a"), reach("A.a", "A.a")]
    drawn = ET.fromstring(draw(components, reaches))  # noqa: S314
    assert len([each for each in drawn.iter("path") if each.get("class", "")[:5] == "arrow"]) == 3


def test_every_arrow_has_its_port_and_what_it_means() -> None:
    drawn = str(draw(*platform(1)))
    assert "Api.Function → Data.Database: tcp/3306" in drawn
    assert re.search(r'class="port"[^>]*>tcp/3306<', drawn)


def test_does_not_hang_on_the_order() -> None:
    components, reaches = platform(7)
    assert draw(components, reaches) == draw(components[::-1], reaches[::-1])


def test_an_end_that_is_no_component_is_drawn_by_its_id() -> None:
    drawn = str(draw([], [reach("a", "0.0.0.0/0")]))
    assert ">0.0.0.0/0<" in drawn


def test_nothing_gives_no_picture() -> None:
    assert draw([], []) == ""
