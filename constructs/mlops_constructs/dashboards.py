"""How our dashboards look: alarms on top, and a graph for each thing that is watched."""

from collections.abc import Mapping, Sequence

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

Graphs = Mapping[str, Sequence[cloudwatch.IMetric]]
"""Metrics by the title of their graph."""

MOST_ALARMS = 100
"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html"""


def dashboard(
    scope: Construct, construct_id: str, *, alarms: Sequence[cloudwatch.IAlarm], graphs: Graphs
) -> cloudwatch.Dashboard:
    """A dashboard of alarms and graphs, three of these in a row.

    Parameters
    ----------
    scope, construct_id
        Where the dashboard stands in the tree.
    alarms
        What is shown on top.
    graphs
        What is shown below, in this order; what has no metric is left out.

    Examples
    --------
    >>> dashboard(  # doctest: +SKIP
    ...     self, "Dashboard", alarms=[alarm], graphs={"Requests in a minute": [requests]})
    """
    made = cloudwatch.Dashboard(scope, construct_id)
    for first in range(0, len(alarms), MOST_ALARMS):
        shown = list(alarms[first : first + MOST_ALARMS])
        made.add_widgets(
            cloudwatch.AlarmStatusWidget(title="Alarms", alarms=shown, width=24, height=3)
        )
    made.add_widgets(
        *(
            cloudwatch.GraphWidget(title=title, left=list(metrics), width=8, height=6)
            for title, metrics in graphs.items()
            if metrics
        )
    )
    return made
