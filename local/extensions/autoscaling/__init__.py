"""Application Auto Scaling: policies that change what runs, for SageMaker.

Targets of other services are recorded, and nothing scales them.
"""
