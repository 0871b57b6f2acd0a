"""The species of an iris from the length and width of a petal, in SageMaker's contract."""
