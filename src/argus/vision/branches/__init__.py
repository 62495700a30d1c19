"""Models that look at what another model found: on crops, to any depth, batched across cameras.

`runner.Branches` is what a pipeline holds, `lanes.BranchLanes` the models that all pipelines share.
`plan` makes a tree of specs ready, `choosing` decides what is looked at and when, `look` carries one
object through the tree, `lane` runs one model, `sharing` lets another take over, `finding` is what comes out.
"""
