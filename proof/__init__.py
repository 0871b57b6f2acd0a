"""The privacy proof: what a set of CloudFormation templates lets in, out and through."""
