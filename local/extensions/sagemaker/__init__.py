"""SageMaker's inference, for real: processes, traffic, guard rails, metrics, files.

`control_plane` and `runtime` take requests; `endpoints`, `deployer`, `deployment` move what there
is; `variants`, `fleet` and `containers` are what runs; `router` and `chain` are a request's way.
"""
