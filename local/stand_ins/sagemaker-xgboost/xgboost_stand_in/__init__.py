"""What AWS's XGBoost container answers, for a machine that cannot pull it.

It runs the version of XGBoost that the container has, on the same file, and keeps to its contract
as far as `serving` says. It trains nothing.
"""
