"""CodePipeline as a machine of states.

`service` takes requests; `pipeline` moves executions from stage to stage; `stage` has the actions
of one carried out, which `actions` does; `structure` is what is declared, `execution` what runs,
`views` how the service describes it.
"""
