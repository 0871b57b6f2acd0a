"""CodeBuild, for real: a build's commands are run, in one shell, on files of its own.

`service` takes requests and keeps `builds`; a `run` is one of them: `buildspec` says what it does,
`shell` does it, `artifacts` is what it is given and what it leaves.
"""
