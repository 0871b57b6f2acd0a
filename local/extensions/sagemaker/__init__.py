"""SageMaker's inference, for real: processes, traffic, guard rails, metrics, files.

`control_plane` takes requests; `deployer` and `deployment` move endpoints; `variants`, `fleet` and
`containers` are what runs; `router` and `chain` are the way of a request.
"""
