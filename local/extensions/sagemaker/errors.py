"""What goes wrong in SageMaker."""


class StartError(Exception):
    """Why a model cannot be served."""
