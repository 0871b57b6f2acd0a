"""What AWS's SparkML Serving container answers, for a machine that cannot pull it.

The container runs an MLeap bundle on a JVM. This runs an MLflow model in its place, such as a
transformer of scikit-learn, and keeps to the container's contract as far as `serving` says.
"""
