"""Rules for who may answer what: one file, in force only as the copy that a person activated.

`rules` is what a file says, `reading` makes it from YAML, `demands` is what it asks of one request, `findings` what is
doubtful about it: all pure. `active` keeps the copy in force.
"""
