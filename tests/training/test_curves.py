import xml.etree.ElementTree as ElementTree

from voiceagent.training.curves import draw


def test_draw_has_a_panel_per_stage_and_a_line_per_figure():
    points = [{"seconds": s, "steps": 10 * s, "loss": 4.0 / s, "right": s / 9} for s in (1, 2, 4)]
    picture = ElementTree.fromstring(draw({"voice": points, "decoder": []}))
    namespace = "{http://www.w3.org/2000/svg}"
    panels = picture.findall(f"{namespace}g")
    assert [len(panel.findall(f"{namespace}polyline")) for panel in panels] == [2, 0]
    line = panels[0].find(f"{namespace}polyline").get("points").split()
    heights = [float(place.split(",")[1]) for place in line]
    assert heights == sorted(heights)  # downwards on the page: the loss falls
