"""The reviewers' side of a request: who may answer, what was shown, how many must agree, and the decision itself."""
