"""Tests that need what an image holds, such as MLflow's server with its stores."""
