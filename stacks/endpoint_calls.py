"""What endpoints call from inside the network, of whatever kind they are."""

from mlops_constructs.batch_transform import BatchTransform
from mlops_constructs.data_capture import DataCapture
from mlops_constructs.model_endpoint import ModelEndpoint
from mlops_constructs.monitoring_schedule import MonitoringSchedule

ENDPOINT_CALLS = (
    *ModelEndpoint.CALLS,
    *DataCapture.CALLS,
    *BatchTransform.CALLS,
    *MonitoringSchedule.CALLS,
)
"""Every network has endpoints for these, though nothing is released yet."""
