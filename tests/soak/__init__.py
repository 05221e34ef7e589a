"""A soak: mixed calls against one engine for an hour, each answer held against an oracle.

`users` call, `ledger` notes when each row was asked for, acknowledged, seen and deleted, `checking`
says whether an answer fits one of the states in between, `audit` looks at everything in quiet
moments, `growth` at what the process uses.
"""
