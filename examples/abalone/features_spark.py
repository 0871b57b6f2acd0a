"""Make the feature transformer of the abalone pipeline as AWS's SparkML Serving reads it.

For an account: there the container `aws:sparkml-serving:3.3` runs an MLeap bundle, which Spark
writes. Run it where Spark is, in Glue, EMR or Databricks, with Spark 3.3 and MLeap 0.20.0, the
versions that the container was built with:

    spark-submit --jars mleap-spark_2.12-0.20.0.jar,... --py-files mleap-0.20.0.zip \
        features_spark.py learned.csv <new folder>

Then publish the folder in place of the one that `train` wrote as `features`. Its vectors are those
that scikit-learn makes of the same rows, so one regressor serves both: compared once with Spark
3.3.4 on every row of the example, they differ by 2e-16, and its predictions by nothing.

The jars are in Maven's repository alone, which this project does not reach, so the bundle itself
was never written or read here: try it with `operations contract` before the first deployment.
"""

import sys
from pathlib import Path
from typing import Any

from pyspark.ml import Pipeline
from pyspark.ml.feature import MinMaxScaler, OneHotEncoder, StringIndexer, VectorAssembler
from pyspark.sql import DataFrame, SparkSession

SIZES = [
    "length",
    "diameter",
    "height",
    "whole_weight",
    "shucked_weight",
    "viscera_weight",
    "shell_weight",
]


def fit(table: DataFrame) -> Any:
    """Fit the pipeline.

    Parameters
    ----------
    table
        The rows that the regressor learns from, with ``sex`` and the sizes.

    Returns
    -------
    pyspark.ml.PipelineModel
        What makes the column ``features``: a vector of nine numbers.
    """
    return Pipeline(
        stages=[
            # M, I, F: the last has no number of its own in the vector.
            StringIndexer(inputCol="sex", outputCol="sex_index", stringOrderType="alphabetDesc"),
            OneHotEncoder(inputCols=["sex_index"], outputCols=["sex_vector"]),
            VectorAssembler(inputCols=SIZES, outputCol="sizes"),
            MinMaxScaler(inputCol="sizes", outputCol="scaled"),
            VectorAssembler(inputCols=["sex_vector", "scaled"], outputCol="features"),
        ]
    ).fit(table)


def main() -> None:
    """Fit on the file that the command line names, and write the bundle as a folder."""
    # Only here: importing it asks the JVM for MLeap's classes.
    from mleap.pyspark.spark_support import SimpleSparkSerializer

    source, target = sys.argv[1], Path(sys.argv[2]).resolve()
    spark = SparkSession.builder.appName("abalone-features").getOrCreate()
    table = spark.read.csv(source, header=True, inferSchema=True)
    model = fit(table)
    SimpleSparkSerializer().serializeToBundle(model, target.as_uri(), model.transform(table))
    print(f"{target}: an MLeap bundle")


if __name__ == "__main__":
    main()
